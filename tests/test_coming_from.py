"""Every counterpart that docs/coming-from.md names for a command of another system is run, on toys.

Only the encoder, the data and the number of steps are replaced.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from tests.stages.conftest import learners, pairs, tree  # noqa: F401  (fixtures)
from tests.stages.toy_recipes import toy_encoder
from typer.testing import CliRunner

from soritune.audio.files import find_audio
from soritune.cli.main import app

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parent.parent / "docs" / "coming-from.md").read_text(encoding="utf-8")
SECTIONS = {
    "Emotion in three classes": "tree",
    "Emotion in four classes": "tree",
    "Children's phonemes": "pairs",
    "Children's phonemes, the full corpus": "pairs",
    "Second-language pronunciation": "learners",
}
NAMED = """
--test --epochs --batch_size --lr --weight_decay --data_dir --train_ratio --val_ratio --test_ratio --no_augmentation
--gpu --no_cuda training_log.txt trainer.py SER.evaluate --model_path --output_dir plot_training_history ModelEvaluator
evaluate_dataset plot_confusion_matrix plot_class_metrics generate_evaluation_report SpeechEmotionDataset
AudioPreprocessor predict_batch predict_directory analyze_emotions_distribution setup_logging early_stopping_patience
fp16 apply_noise_reduction train_all_phases.py --phase --resume_from evaluate_test.py --test_dir
compare_base_r16_r32.py evaluate_all_models.py train_all_phases_all.py train_all_phases_all_r32_optimized.py
split_full_validation.py test_dataset.py multitask.yaml --data_folder --output_folder --device task=phoneme task=error
sorting=descending gradient_accumulation=4 auto_mix_prec=True best_phoneme_per.ckpt best_error_acc.ckpt epoch_30.ckpt
"""
"""Scripts, flags, calls and checkpoints in the documents of the five systems, collected by hand."""
STEPS = {"Second-language pronunciation": 8}
"""Two epochs of the toy learners, so that `epoch_2` is there."""


def spans(section: str) -> list[str]:
    """Code of the column *here*, and of what follows the tables, in its order."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    cells = [line.split(" | ", 1)[1] for line in text.splitlines() if line.startswith("| ") and " | " in line]
    after = [line for line in text.splitlines() if not line.startswith("|")]
    return re.findall(r"`([^`]+)`", "\n".join(cells)) + [
        code for code in re.findall(r"`([^`]+)`", " ".join(after)) if code.startswith("soritune run")
    ]


def toys(recipe: str, section: str) -> list[str]:
    """What stands in for a real encoder and a real number of steps."""
    return [
        "model.random_weights=true",
        f"model.architecture={json.dumps(toy_encoder(recipe))}",
        f"train.max_steps={STEPS.get(section, 1)}",
        "evaluate.resamples=100",
        "evaluate.audio=false",
    ]


def run_command(words: list[str], section: str) -> str:
    """Output of the command; fails the test where it fails."""
    if words[0] == "run":
        at = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
        words = [*words[:at], *toys(words[1], section), *words[at:]]
    result = CliRunner().invoke(app, words)
    needs_gpu = any("cuda" in word for word in words) and not torch.cuda.is_available()
    if needs_gpu:
        assert "cuda" in str(result.exception), f"{shlex.join(words)}: {result.output}"
        return ""
    assert result.exit_code == 0, f"{shlex.join(words)}: {result.output}{result.exception!r}"
    return result.output


def record_anew(root: Path, copy: Path) -> None:
    """The same corpus with other recordings: every clip is played backwards and quieter."""
    shutil.copytree(root, copy)
    for clip in find_audio(copy):
        samples, rate = soundfile.read(clip)
        soundfile.write(clip, samples[::-1] * 0.6, rate)


def lay_out(root: Path, section: str) -> None:
    """Puts what the page's names stand for into the working folder."""
    Path("ROOT").symlink_to(root)
    if section == "Children's phonemes":
        record_anew(root, Path("OTHER_ROOT"))
    if section == "Emotion in four classes":
        clips = sorted(root.glob("M2000/wav_48000/*_0000[239]*.wav"))
        for name, clip in zip(("CLIP.wav", "OTHER.wav"), clips, strict=False):
            shutil.copy(clip, name)
        record_anew(root / "M2000", Path("TEST_DATA/M2000"))
        labelled = {"21": "Neutral", "31": "Angry", "91": "Joy"}
        with open("LIST.csv", "w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(("file_path", "emotion"))
            for clip in sorted(root.glob("*/wav_48000/*_0000??.wav")):
                number = str(int(clip.stem.rsplit("_", 1)[1]))
                if number in labelled:
                    table.writerow((clip, labelled[number]))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_counterpart_of_a_foreign_command_runs(
    section: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root: Path = request.getfixturevalue(SECTIONS[section])
    monkeypatch.chdir(tmp_path)
    lay_out(root, section)
    if section == "Children's phonemes, the full corpus":  # what the section before leaves behind
        run_command(["run", "child-phoneme", "data=ROOT", "--output", "runs/child-phoneme"], section)
    space: dict[str, Any] = {}
    done = 0
    for code in spans(section):
        words = [word for word in shlex.split(code) if word not in ("nohup", "&")]
        if words[0] == "soritune":
            run_command(words[1:], section)
        elif words[:2] == ["tail", "-f"] or (len(words) == 1 and words[0].startswith("runs/")):
            assert Path(words[-1]).exists(), code
        elif "soritune." in code or "recipe" in code or "found" in code or "predictor" in code:
            run_python(code, section, space, root)
        else:
            continue
        done += 1
    assert done >= 6


def run_python(code: str, section: str, space: dict[str, Any], root: Path) -> None:
    """Runs a line of the Python table."""
    import soritune

    if not space:
        record_anew(root / "M2000", Path("JUDGED/M2000"))
        clips = sorted(Path("JUDGED").glob("M2000/wav_48000/*_0000[239]*.wav"))
        labels = {2: "Anxious", 3: "Kind", 9: "Dry"}
        known = [labels[int(clip.stem.rsplit("_", 1)[1]) // 10] for clip in clips]
        space |= {"soritune": soritune, "audio_paths": clips, "true_labels": known}
    exec(code, space)
    if code.startswith("recipe = "):
        recipe = space["recipe"]
        recipe.model.random_weights, recipe.model.architecture = True, toy_encoder(recipe.name)
        recipe.train.max_steps = 1


def test_the_page_names_every_command_of_the_five_documents() -> None:
    there = "\n".join(line.split(" | ", 1)[0] for line in PAGE.splitlines() if line.startswith("| "))
    assert [name for name in NAMED.split() if name not in there] == []
