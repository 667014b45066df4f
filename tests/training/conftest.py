from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.training.parts import build_run

from soritune.corpus.manifest import Manifest
from soritune.training.run import TrainingRun


@pytest.fixture
def make_run(tones: Manifest, tmp_path: Path) -> Callable[..., TrainingRun]:
    """`build_run` with folders of the test and the tone corpus."""

    def make(name: str = "run", *, manifest: Manifest = tones, **settings: object) -> TrainingRun:
        return build_run(tmp_path / name, manifest, **settings)

    return make
