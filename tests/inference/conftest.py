import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile


def _load(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


@pytest.fixture
def fakes():
    """The module `fake_models.py`, whatever the import mode."""
    return _load("soritune_fake_models", Path(__file__).with_name("fake_models.py"))


@pytest.fixture
def clip(tmp_path):
    """Writes a clip of noise whose level wanders, and gives its path."""

    def write(name, seconds, seed=0, rate=16000):
        draw = np.random.default_rng(seed)
        level = np.repeat(draw.uniform(0.02, 0.9, int(seconds * 4) + 1), rate // 4)[: int(seconds * rate)]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, (draw.uniform(-1, 1, len(level)) * level).astype(np.float32), rate)
        return path

    return write
