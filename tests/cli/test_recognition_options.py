import pytest

from soritune.cli.recognition_options import open_recogniser
from soritune.errors import ModelError
from soritune.inference.recognition.ctranslate2 import CTranslate2Recogniser


def test_options_reach_the_recogniser(monkeypatch):
    given = []
    monkeypatch.setattr(
        CTranslate2Recogniser, "load", lambda model, **options: given.append((model, options))
    )
    open_recogniser("folder", language="en", beam_size=5, device="cpu", compute_type="float32")
    open_recogniser("folder")
    own = {"language": "en", "beam_size": 5, "device": "cpu", "compute_type": "float32"}
    default = {"language": "ko", "beam_size": 1, "device": "auto", "compute_type": "int8"}
    assert given == [("folder", own), ("folder", default)]


def test_a_missing_folder_is_reported(tmp_path):
    pytest.importorskip("faster_whisper", reason="the extra 'asr' is not installed")
    with pytest.raises(ModelError, match="there is no folder"):
        open_recogniser(str(tmp_path / "missing"))
