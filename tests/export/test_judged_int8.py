from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soritune.corpus.manifest import Manifest
from soritune.export.judged_int8 import Cost, costs
from soritune.progress import SILENT

ToyExport = Callable[[str, str], tuple[Path, Path]]


def test_a_model_costs_nothing_against_itself(toy_export: ToyExport, tones: Manifest, tmp_path: Path) -> None:
    bundle, folder = toy_export("wav2vec2", "layer")
    for cost in costs(bundle, folder, tones, tmp_path, SILENT):
        assert cost.loss == pytest.approx(0.0, abs=0.2)
        assert cost.interval[0] <= cost.loss <= cost.interval[1]
        assert cost.float32 == pytest.approx(cost.int8, abs=0.002)


def test_loss_is_printed_in_points() -> None:
    text = str(Cost("phoneme", "per", 0.25, 0.2525, 0.25, (0.1, 0.4), 50))
    assert text == ("phoneme/per: float32 0.2500, int8 0.2525, loss +0.25 points [+0.10, +0.40] on 50 rows")
