"""Every option of every benchmark runs once at toy size, or is listed here with the reason why it cannot."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.conftest import write_tones

from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.packed.pack import pack
from soritune.testing import tiny_config

FOLDER = Path(__file__).parent.parent / "benchmarks"
COMMANDS: dict[str, list[str]] = {
    "train_epoch modes": [
        "train_epoch.py --tiny --clips 60 --scale 0.1 --utterances 4 --steps 1 --chunks 1 --threads 1 --modes both "
        "--work work --json result.json"
    ],
    "train_epoch profile": [
        "train_epoch.py --tiny --profile --clips 40 --steps 1 --threads 1 --durations m.jsonl --work work"
    ],
    "train_epoch ablation": [
        "train_epoch.py --tiny --ablation --clips 40 --scale 0.1 --steps 1 --threads 1 --work work"
    ],
    "train_epoch quality": [
        "train_epoch.py --quality --quality-minutes 0.6 --quality-epochs 1 --threads 1 --work work"
    ],
    "h200": [
        "h200.py --device cpu --tiny --hours 0.02 --budgets 2 --evaluation-budget 4 --workers 0 --warmup 1 --steps 1 "
        "--no-speed --work work --json result.json"
    ],
    "gop_speed": ["gop_speed.py --seconds 1 --phones 6 --sentences 2 --rounds 1 --json result.json"],
    "augment_speed": ["augment_speed.py --clips 8 --rounds 1 --rows 1000 --json result.json"],
    "kill_resume": ["kill_resume.py --at 5 --seed 1", "kill_resume.py --moments 1 --chain"],
    "call_memory": ["call_memory.py --minutes 0.5 --window-s 10 --hop-s 10 --rate 8000"],
    "flat_memory": ["flat_memory.py --steps 20 --workers 0"],
    "packed_corpus": [
        "packed_corpus.py . --work work --hours 0.005 --wav-hours 0.002 --rows 10 --rounds 1 --workers 0 "
        "--only packed, --json result.json"
    ],
    "espeak_agreement": ["espeak_agreement.py --sentences 3 --seed 1"],
    "korean_g2p": ["korean_g2p.py data --repeat 1"],
    "demo_baselines": ["demo_baselines.py run"],
    "emotion_augmentation": [
        "emotion_augmentation.py m.jsonl --work work --recipes emotion-3class --arms none all --schedules recipe head "
        "--seeds 0 --copies 1 --group gender --check --set tasks.emotion.labels=[Anxious,Kind,Dry] "
        "--set tasks.emotion.rename={} --set train.epochs=2 --set data.config={}"
    ],
    "emotion_text": [
        "emotion_text.py m.jsonl --work work --encoder soritune/tiny-ko --folds 2 --epochs 1 --seeds 0 "
        "--group gender --arms audio text fused --recognised m.jsonl --json result.json",
        "emotion_text.py styles --work synthetic --minutes 0.4 --speakers 3 --folds 3 --epochs 1 --seeds 0 "
        "--arms fused --rate 1e-3 --set train.weight_decay=0.1",
    ],
    "full_size_rows": [
        "full_size_rows.py --rows 4000 --speakers 100 --draws 5 --seed 1 --rounds 1 --only plan split "
        "--peer-python python --json result.json",
        "full_size_rows.py --rows 4000 --speakers 100 --rounds 1 --only first_batch --packed packed",
    ],
    "check_speed": [
        "check_speed.py . --rows 6 12 --workers 1 --vad energy --most-growth-mib 500 --json result.json"
    ],
    "subset": ["subset.py --rows 30000 --speakers 300 --hours 10 --draws 20 --seed 1 --output result.json"],
    "serve_load": [
        "serve_load.py . --most 4 --model soritune/tiny-ko --clients 2 --seconds 2 --workers 2 --kill --check "
        "--under uvicorn --json result.json"
    ],
    "onnx_speed": [
        "onnx_speed.py speed --models toy --seconds 0.5 --threads 1 --rounds 1 --older --json result.json",
        "onnx_speed.py quality m.jsonl --root . --model soritune/tiny-ko --rows 6 --keep-float32 phoneme. --older "
        "--json result.json",
    ],
    "child_phoneme_comparison": [
        "child_phoneme_comparison.py --work work --minutes 1 --base-steps 1 --repeat 1"
    ],
}
"""Commands of a test, in a folder with the files of `toy_files`."""
NOT_HERE: dict[str, str] = {
    "thread_waiting.py": "has no option, and measures for two minutes at its only size",
    "sherpa_tokens.py": "its peer is in the extra `peers`, which a development install lacks; needs real clips",
    "true_size.py": "needs 12 GB of memory and true models; tests/test_recipes.py takes steps of every recipe",
    "bundled_encoder.py": "needs five real corpora",
    "assessment_thresholds.py": "needs two real corpora",
    "language_check.py": "needs three real corpora and weights of Whisper; tests/test_benchmarks.py reads its table",
    "learner_errors.py": "needs two real corpora; tests/test_benchmarks.py judges a fold of made-up phones",
    "hidden_errors.py": "has no option; its predictions need a recogniser; tests/test_benchmarks.py counts clips",
    "phone_augmentation.py": "needs three real corpora",
    "predict_speed.py": "its peer needs the weights of Whisper base",
    "whisper_phones.py": "needs two real corpora and the weights of Whisper base",
    "same_figures.py": "needs three real corpora; tests/contracts/test_identical_samples.py compares layouts",
    "two_checkouts.py": "its parts run in tests/test_benchmarks.py",
}
LONG = {
    "train_epoch modes",
    "train_epoch ablation",
    "child_phoneme_comparison",
    "kill_resume",
    "emotion_text",
    "emotion_augmentation",
    "serve_load",
    "onnx_speed",
    "flat_memory",
    "h200",
}
"""Those that take longest are tests of `make test-long`."""
EXIT_CODES = {"flat_memory": (0, 1)}
"""20 steps are too few for memory to be flat; it is measured all the same."""


def options_of(file: Path) -> set[str]:
    """The options and positional arguments that a program declares, without hidden ones."""
    calls = [
        node
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "add_argument"
    ]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.args[0], ast.Constant)
        and not any(
            isinstance(word.value, ast.Attribute) and word.value.attr == "SUPPRESS" for word in call.keywords
        )
    }


def test_every_option_of_every_benchmark_is_run_or_has_a_reason() -> None:
    lines = [line for lines in COMMANDS.values() for line in lines]
    programs = {
        file.name: options_of(file)
        for file in FOLDER.glob("*.py")
        if "\ndef main(" in file.read_text(encoding="utf-8") and file.name != "two_checkouts_recorder.py"
    }
    assert len(programs) > 12
    for name, options in programs.items():
        words = {word for line in lines if line.split()[0] == name for word in line.split()}
        missing = {option for option in options if option.startswith("--")} - words
        assert name in NOT_HERE or (words and not missing), (name, missing)
    assert set(NOT_HERE) <= set(programs)


@pytest.fixture
def toy_files(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """m.jsonl of tones, `data` for the converter, and for baselines a run of a toy model."""
    rows = write_tones(tmp_path, speakers=4, per_style=2)
    write_manifest(tmp_path / "m.jsonl", rows, root=tmp_path)
    name = request.node.callspec.params["name"]
    if name == "korean_g2p":
        (tmp_path / "data" / "korean_g2p").mkdir(parents=True)
        (tmp_path / "data" / "pansori_tedxkr").mkdir()
        examples = request.getfixturevalue("shared_data") / "korean_g2p" / "examples.tsv"
        lines = examples.read_text(encoding="utf-8").splitlines()[:20]
        (tmp_path / "data" / "korean_g2p" / "examples.tsv").write_text(
            "\n".join(lines) + "\n", encoding="utf-8"
        )
        (tmp_path / "data" / "pansori_tedxkr" / "manifest.jsonl").write_text(
            '{"text": "가나"}\n', encoding="utf-8"
        )
    if name == "full_size_rows":
        pack(load_manifest(tmp_path / "m.jsonl"), tmp_path / "packed", rows_per_shard=10, workers=1)
    if name.endswith("_baselines"):
        recipe = {
            "name": "toy",
            "data": {"source": "manifest", "root": "m.jsonl"},
            "split": {"by": ["speaker"], "ratios": {"train": 0.5, "val": 0.25, "test": 0.25}},
            "tasks": {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}},
            "model": {"encoder": "none", "random_weights": True, "architecture": tiny_config(norm="layer")},
            "batches": {"padded_seconds": 6.0, "num_workers": 0},
            "evaluate": {"resamples": 100},
            "train": {"learning_rate": 1e-3, "device": "cpu", "threads": 1, "max_steps": 1},
        }
        (tmp_path / "toy.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        done = run([sys.executable, "-m", "soritune", "run", "toy.yaml", "-o", "run"], tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
    return tmp_path


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in COMMANDS]
)
def test_options_run_at_toy_size(name: str, toy_files: Path) -> None:
    for line in COMMANDS[name]:
        program, *words = line.split()
        done = run([sys.executable, "-W", "ignore", str(FOLDER / program), *words], toy_files)
        assert done.returncode in EXIT_CODES.get(name, (0,)), done.stdout[-1500:] + done.stderr[-3000:]
        assert done.stdout.strip()
        if "--json" in words:
            written = json.loads((toy_files / "result.json").read_text(encoding="utf-8"))
            assert written == json.loads(done.stdout.splitlines()[-1])


def test_unknown_mode_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = run([sys.executable, str(FOLDER / "train_epoch.py"), "--modes", "same,froze"], tmp_path)
    assert done.returncode == 2
    assert "'froze' is unknown; give same, frozen or both" in done.stderr
