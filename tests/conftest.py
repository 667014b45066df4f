"""Corpora made in code, and where the shared real data is."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from hypothesis import settings

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.synthetic.factory import synthesize
from soritune.corpus.synthetic.settings import SynthesisSettings
from soritune.corpus.utterance import Utterance

settings.register_profile("soritune", deadline=None)  # a busy machine is not a failure
settings.load_profile("soritune")

STYLES = {"Anxious": 320.0, "Kind": 220.0, "Dry": 140.0}
MUTE_DECODER = '''
from soritune.tasks.decoding.decoder import DecoderSettings
from soritune.tasks.decoding.greedy import GreedyDecoder


class MuteSettings(DecoderSettings):
    keep: int = 0
    """Frames that are read."""


class Mute(GreedyDecoder):
    name = "mute"
    Settings = MuteSettings

    def decode(self, log_probabilities, labels, blank):
        return super().decode(log_probabilities[: self.settings.keep], labels, blank)


DECODER = Mute
'''
"""A decoder as another package brings it: it reads the first frames only."""
TEXTS = ("가나", "다라마", "사과 나무", "바다", "하루 하루")


def pytest_configure() -> None:
    """Tests send Ctrl+C to processes. A shell starts programs in the background with this signal ignored, and so would
    the processes of the tests be."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ray_signals() -> Iterator[None]:
    """Takes back the handler of Ray for SIGTERM: processes that later tests fork would have it, and not end."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests take longest come first, so that no worker is left with one of them at the end.

    xdist hands out whole files (`--dist loadfile`), in this order only with `--no-loadscope-reorder`.
    """
    seconds: Counter[Path] = Counter()
    for item in items:
        mark = item.get_closest_marker("slow")
        seconds[item.path] += 0.1 if mark is None else mark.kwargs.get("seconds", 4.0)
    items.sort(key=lambda item: -seconds[item.path])  # stable: the order within a file is kept


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real speech; tests that need it are skipped where it is not."""
    folder = Path(os.environ.get("SORITUNE_DATA") or Path(__file__).parent.parent.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no real speech here: set SORITUNE_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Folder of small files that were once read wrongly; tests that need it are skipped where it is not."""
    folder = Path(
        os.environ.get("SORITUNE_CASES") or Path(__file__).parent.parent.parent / "shared" / "cases"
    )
    if not folder.is_dir():
        pytest.skip("no shared cases here: set SORITUNE_CASES to the folder that holds them")
    return folder


def write_tones(folder: Path, speakers: int = 6, per_style: int = 2) -> list[Utterance]:
    """Clips of 0.5–1.4 s: a tone whose pitch says the style, with the speaker's own offset and a little noise."""
    rows = []
    for s in range(speakers):
        for style, pitch in STYLES.items():
            for n in range(per_style):
                rng = np.random.default_rng((s, n, int(pitch)))
                seconds = 0.5 + 0.9 * rng.random()
                time = np.arange(int(16000 * seconds)) / 16000
                wave = 0.3 * np.sin(2 * np.pi * (pitch + 6 * s) * time) + 0.02 * rng.standard_normal(
                    len(time)
                )
                name = f"s{s}_{style}_{n}.flac"
                soundfile.write(folder / name, wave, 16000, subtype="PCM_16")
                rows.append(
                    Utterance(
                        id=name.removesuffix(".flac"),
                        audio=name,
                        duration_s=len(time) / 16000,
                        sample_rate_hz=16000,
                        speaker=f"s{s}",
                        gender="f" if s % 2 else "m",
                        text=TEXTS[(s + n) % len(TEXTS)],
                        emotion=style,
                        source="tones",
                    )
                )
    return rows


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A corpus of 36 tones by 6 speakers in 3 styles."""
    folder = tmp_path_factory.mktemp("tones")
    return write_manifest(folder / "manifest.parquet", write_tones(folder), root=folder)


@pytest.fixture(scope="session")
def tiny_ko() -> str:
    """The recogniser of the package, for tests in which random weights would prove little."""
    return "soritune/tiny-ko"


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """About twenty clips of six voices with text and phones, from the part of the speech factory that nothing is
    trained on: other sentences and other variants of voices than any training split has, and a seed of its own."""
    pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
    settings = SynthesisSettings(hours=0, test_hours=0.02, utterances_per_voice=4, seed=77_001)
    return synthesize(tmp_path_factory.mktemp("unseen"), settings, workers=1)


def write_external_package(folder: Path, group: str, name: str, source: str) -> str:
    """Writes what another package that adds a member to an open folder looks like when it is installed.

    Args:
        folder: for `sys.path`; gets one module and its `.dist-info` with `entry_points.txt`.
        group: the open folder, such as "soritune.tasks".
        name: of the member, as people type it.
        source: text of the module; the last name in capitals that it binds (`TASK = …`) is the entry point.

    Returns:
        The module's name.
    """
    bound = [
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    ]
    module = f"external_{name.replace('-', '_')}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{bound[-1]}\n")
    return module


@pytest.fixture
def external_package(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str, str], Path]]:
    """Adds a member to an open folder from a separate package, by its entry point, for the length of a test.

    Called with the group ("soritune.tasks"), the member's name and the text of its module, as
    `write_external_package`; gives the folder that is on `sys.path`, for the PYTHONPATH of other processes.
    """
    modules = []

    def add(group: str, name: str, source: str) -> Path:
        folder = tmp_path_factory.mktemp("site-packages")
        modules.append(write_external_package(folder, group, name, source))
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return folder

    yield add
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def fakes() -> ModuleType:
    """The module `tests/inference/fake_models.py`, imported by the tests that need it."""
    return importlib.import_module("tests.inference.fake_models")


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip of noise whose level wanders, and returns its path."""

    def write(name: str, seconds: float, seed: int = 0, rate: int = 16000) -> Path:
        draw = np.random.default_rng(seed)
        level = np.repeat(draw.uniform(0.02, 0.9, int(seconds * 4) + 1), rate // 4)[: int(seconds * rate)]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, (draw.uniform(-1, 1, len(level)) * level).astype(np.float32), rate)
        return path

    return write


@pytest.fixture
def twelve(fakes: ModuleType, tmp_path: Path) -> Path:
    """A folder with predictions of twelve speakers, six clips each, of whom speaker k has min(k, 6) right."""
    rows = fakes.prediction_rows({f"s{k:02d}": min(k, 6) for k in range(12)})
    rows.append({"id": "bad", "audio": "bad.wav", "error": "is empty"})
    fakes.write_rows(
        tmp_path / "predictions" / "test.jsonl", [fakes.emotion_task()], rows, data={"split": "test"}
    )
    return tmp_path


@pytest.fixture(scope="session")
def toy_export(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], tuple[Path, Path]]:
    """A toy bundle of a family and norm with a CTC output and one for utterances, and the ONNX folder exported from it;
    each is exported once."""
    done: dict[tuple[str, str], tuple[Path, Path]] = {}

    def export_once(kind: str, norm: str) -> tuple[Path, Path]:
        if (kind, norm) not in done:
            from soritune.audio.preprocessing import Preprocessing
            from soritune.models.build import build_model
            from soritune.models.config import ModelConfig
            from soritune.models.saving import save_bundle
            from soritune.stages.export import export
            from soritune.tasks.task import make_task
            from soritune.testing import tiny_config

            folder = tmp_path_factory.mktemp(f"{kind}-{norm}")
            tasks = [
                make_task("emotion", {"labels": ["Anxious", "Kind", "Dry"], "layer": "weighted"}),
                make_task("phoneme", {}),
            ]
            config = ModelConfig(
                encoder="toy",
                architecture=tiny_config(kind, norm),  # type: ignore[arg-type]
                random_weights=True,
            )
            model = build_model(config, [spec for task in tasks for spec in task.outputs], seed=3)
            save_bundle(model, folder / "bundle", tasks=tasks, preprocessing=Preprocessing())
            export("onnx", folder / "bundle", folder / "onnx", {"older": True})
            done[kind, norm] = (folder / "bundle", folder / "onnx")
        return done[kind, norm]

    return export_once
