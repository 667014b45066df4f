"""The recogniser with a stand-in for the library, and once with the library and real weights."""

import hashlib
import json
import math
import os
import struct
import sys
import zlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from soritune.audio.preprocessing import Preprocessing
from soritune.errors import ModelError, SorituneError
from soritune.inference.recognition.ctranslate2 import CTranslate2Recogniser
from soritune.inference.recognition.recogniser import READING
from soritune.korean import phonemize
from soritune.metrics.edit_distance import phone_counts


def head(kind: str) -> bytes:
    """The head of a CTranslate2 file: version, length of the name with its NUL, name, revision, no variables."""
    return struct.pack("<IH", 6, len(kind) + 1) + kind.encode() + b"\0" + struct.pack("<II", 3, 0)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "모델"
    path.mkdir()
    (path / "model.bin").write_bytes(head("WhisperSpec"))
    (path / "tokenizer.json").write_text("{}")
    return path


@pytest.fixture
def library(monkeypatch):
    """A module `faster_whisper` whose models note how they are called."""
    calls = SimpleNamespace(
        opened=[], transcribed=[], languages=["ko", "en"], stretches=[], error=None, failure=None
    )

    class Model:
        def __init__(self, path, **options):
            calls.opened.append((path, options))
            if calls.error is not None:
                raise calls.error
            self.supported_languages = calls.languages

        def transcribe(self, samples, **options):
            calls.transcribed.append((len(samples), options))
            return self.stretches(), None

        def detect_language(self, samples):
            if calls.failure is not None:
                raise calls.failure
            return "en", 0.75, [("en", 0.75), ("ko", 0.25)]

        def stretches(self):
            if calls.failure is not None:  # as the library, when the first stretch is read
                raise calls.failure
            yield from calls.stretches

    module = ModuleType("faster_whisper")
    module.WhisperModel = Model
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    return calls


def stretch(text, words, no_speech=0.1, compression=0.9):
    return SimpleNamespace(
        text=text,
        no_speech_prob=no_speech,
        compression_ratio=compression,
        words=[SimpleNamespace(word=w, start=s, end=e, probability=p) for w, s, e, p in words],
    )


def test_nothing_is_drawn_and_no_text_is_carried_over(folder, library):
    CTranslate2Recogniser.load(folder, device="cuda:1", compute_type="float16", beam_size=3).recognise(
        np.zeros(16000, np.float32)
    )
    path, options = library.opened[0]
    assert path == str(folder)
    assert (options["device"], options["device_index"], options["compute_type"]) == ("cuda", 1, "float16")
    length, options = library.transcribed[0]
    assert length == 16000
    assert options == {
        "language": "ko",
        "beam_size": 3,
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "word_timestamps": True,
    }


def test_stretches_become_one_text_with_the_worst_signs(folder, library):
    library.stretches = [
        stretch(" 안녕 하세요.", [(" 안녕", 0.0, 0.5, 0.9), (" 하세요.", 0.5, 0.9, 0.7)], 0.2, 1.1),
        stretch(" \u1102\u1166", [(" \u1102\u1166", 0.9, 30.0, math.nan), ("  ", 1.0, 1.0, 1.0)], 0.7, 0.8),
    ]
    text = CTranslate2Recogniser.load(folder).recognise(np.zeros(24000, np.float32))
    assert text.text == "안녕 하세요. 네"  # composed
    assert [word.word for word in text.words] == ["안녕", "하세요.", "네"]
    assert text.words[-1].end_s == 1.5  # not after the end of the clip
    assert text.confidence == pytest.approx((0.9 + 0.7 + 0) / 3)
    assert (text.no_speech, text.compression, text.duration_s) == (0.7, 1.1, 1.5)


def test_detected_language_has_a_probability(folder, library):
    recogniser = CTranslate2Recogniser.load(folder)
    assert recogniser.detect_language(np.zeros(16000, np.float32)) == ("en", 0.75)
    library.failure = RuntimeError("no library of the GPU\nmore")
    with pytest.raises(ModelError, match=r"failed \(no library of the GPU\)"):
        recogniser.detect_language(np.zeros(16000, np.float32))


def test_a_clip_without_speech_has_no_words(folder, library):
    text = CTranslate2Recogniser.load(folder).recognise(np.zeros(16000, np.float32))
    assert (text.text, text.words, text.confidence) == ("", (), 0.0)


def test_record_names_the_weights_and_all_settings(folder, library):
    record = CTranslate2Recogniser.load(folder, language="en").record()
    assert record == {
        "name": "모델",
        "library": "faster-whisper",
        "sha256": hashlib.sha256(head("WhisperSpec")).hexdigest(),
        "language": "en",
        "beam_size": 1,
        "compute_type": "int8",
    }


def test_a_missing_extra_is_reported(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(SorituneError, match=r"needs faster-whisper: pip install 'soritune\[asr\]'"):
        CTranslate2Recogniser.load(folder)


def written(path: Path, **files: bytes) -> Path:
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        (path / name.replace("__", ".")).write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no model.bin, so it is not a CTranslate2 folder"),
        (
            {"model__safetensors": b""},
            "is a folder of transformers, .* ct2-transformers-converter --model .* --output_dir .*-ct2",
        ),
        ({"pytorch_model__bin": b""}, "is a folder of transformers"),
        (
            {"model__bin": head("TransformerDecoderSpec")},
            "of the kind TransformerDecoderSpec, and only a whole Whisper model",
        ),
        ({"model__bin": b"PK\x03\x04 a zip file of something else"}, "is not a file of CTranslate2"),
        ({"model__bin": b"\x06"}, "is not a file of CTranslate2"),
        ({"model__bin": head("WhisperSpec")}, "has no tokenizer.json"),
    ],
)
def test_a_folder_of_another_kind_is_refused(tmp_path, library, files, message):
    with pytest.raises(ModelError, match=message):
        CTranslate2Recogniser.load(written(tmp_path / "x", **files))
    assert library.opened == []


def test_a_name_that_is_not_on_the_hub_is_refused_in_one_sentence(tmp_path, library, monkeypatch):
    with pytest.raises(ModelError, match=r"there is no folder base; give a CTranslate2 folder .* Systran/"):
        CTranslate2Recogniser.load("base")
    with pytest.raises(ModelError, match="there is no folder .*/missing"):
        CTranslate2Recogniser.load(tmp_path / "missing")
    with pytest.raises(ModelError, match="is a file; give the CTranslate2 folder"):
        CTranslate2Recogniser.load(written(tmp_path / "y", model__bin=b"") / "model.bin")
    asked = []

    def no_hub(name, **options):
        asked.append(name)
        raise ModelError(f"{name} could not be reached on the hub")

    monkeypatch.setattr("soritune.inference.recognition.ctranslate2.folder_of_hub", no_hub)
    with pytest.raises(ModelError, match="owner/model could not be reached"):
        CTranslate2Recogniser.load("owner/model")
    assert asked == ["owner/model"]


def test_weights_of_another_language_are_refused(folder, library):
    library.languages = ["en"]
    with pytest.raises(ModelError, match="recognises English alone, and the language is ko"):
        CTranslate2Recogniser.load(folder)
    assert CTranslate2Recogniser.load(folder, language="en").language == "en"
    library.languages = ["ko", "en"]
    with pytest.raises(ModelError, match="does not recognise the language 'kor'"):
        CTranslate2Recogniser.load(folder, language="kor")


def test_what_the_library_refuses_is_one_sentence(folder, library):
    library.error = ValueError("Requested float16 compute type\nand more")
    with pytest.raises(ModelError, match=r"cannot be opened \(Requested float16 compute type\); check"):
        CTranslate2Recogniser.load(folder)
    library.error, library.failure = None, RuntimeError("Library libcublas.so.12 is not found")
    with pytest.raises(
        ModelError, match=r"모델 failed \(Library libcublas.so.12 is not found\); the device cpu"
    ):
        CTranslate2Recogniser.load(folder).recognise(np.zeros(16000, np.float32))
    with pytest.raises(ModelError, match=r"must be 1 \(greedy\) or more, got 0"):
        CTranslate2Recogniser.load(folder, beam_size=0)
    with pytest.raises(ModelError, match="the device 'cuda:x' is unknown"):
        CTranslate2Recogniser.load(folder, device="cuda:x")


@pytest.mark.slow(seconds=15)
def test_real_weights_recognise_read_korean():
    """With `SORITUNE_WHISPER_CT2`, a CTranslate2 folder of a multilingual Whisper model, and the shared recordings."""
    pytest.importorskip("faster_whisper", reason="the extra 'asr' is not installed")
    weights, data = os.environ.get("SORITUNE_WHISPER_CT2"), os.environ.get("SORITUNE_DATA")
    if not weights:
        pytest.skip("SORITUNE_WHISPER_CT2 does not name a CTranslate2 folder of Whisper")
    root = Path(data or "") / "ko_speech_selvas"
    if not data or not root.is_dir():
        pytest.skip("SORITUNE_DATA has no ko_speech_selvas")
    rows = [json.loads(line) for line in (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    recogniser = CTranslate2Recogniser.load(weights)
    edits = np.zeros(4)
    for row in rows[:5]:
        samples = READING.read(root / row["audio"])
        text = recogniser.recognise(samples)
        assert recogniser.recognise(samples) == text
        assert all(0 <= w.start_s <= w.end_s <= text.duration_s and 0 < w.confidence <= 1 for w in text.words)
        assert "".join(word.word for word in text.words).replace(" ", "") == text.text.replace(" ", "")
        written_text = text.text.encode()
        assert text.compression == pytest.approx(
            len(written_text) / len(zlib.compress(written_text)), rel=0.1
        )
        edits += phone_counts(phonemize(row["text"]), phonemize(text.text))
    assert edits[:3].sum() / edits[3] < 0.2
    silence = Preprocessing(normalize=False).read_samples(np.zeros(32000, np.float32), 16000)
    assert recogniser.recognise(silence).confidence < 0.6
