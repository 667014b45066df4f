import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture
def fakes():
    """The module `tests/inference/fake_models.py`, whatever the import mode."""
    name, path = "soritune_fake_models", Path(__file__).parents[1] / "inference" / "fake_models.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


@pytest.fixture
def twelve(fakes, tmp_path):
    """A folder with predictions of twelve speakers, six clips each, of whom speaker k has min(k, 6) right."""
    rows = fakes.prediction_rows({f"s{k:02d}": min(k, 6) for k in range(12)})
    rows.append({"id": "bad", "audio": "bad.wav", "error": "is empty"})
    fakes.write_rows(
        tmp_path / "predictions" / "test.jsonl", [fakes.emotion_task()], rows, data={"split": "test"}
    )
    return tmp_path
