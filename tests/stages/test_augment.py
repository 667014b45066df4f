"""Examples of augmentations, and the draws of a recipe, which are those of a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.settings import kinds
from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest
from soritune.draws import Draws
from soritune.errors import AugmentationError
from soritune.models.encoders.encoder import geometry_of
from soritune.recipe import Recipe, check_recipe
from soritune.stages.augment import drawn_rows, every_member, examples_of, settings_members
from soritune.testing import tiny_config
from soritune.training.batches.collate import Collator

TIME = np.arange(16000) / 16000


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    for name, hertz in (("clip", 200), ("other", 310)):
        tone = 0.3 * np.sin(2 * np.pi * hertz * TIME) * (np.sin(2 * np.pi * 2 * TIME) > -0.5)
        soundfile.write(tmp_path / f"{name}.wav", tone, 16000)
    return [tmp_path / "clip.wav", tmp_path / "other.wav"]


def toy(manifest: Manifest, **parts: object) -> Recipe:
    data = {
        "name": "toy",
        "data": {"source": "manifest", "root": str(manifest.path)},
        "tasks": {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}},
        "model": {"encoder": "none", "random_weights": True, "architecture": tiny_config(norm="layer")},
        "batches": {"batch_size": 4, "num_workers": 0},
    }
    return check_recipe("toy", data | parts)


def test_every_augmentation_has_an_example_or_a_reason(clips: list[Path], tmp_path: Path) -> None:
    members, left_out = every_member({"pitch": {"semitones": [2, 2]}})
    examples, missing = examples_of(clips, members, tmp_path / "out", left_out=left_out)
    assert set(missing) == {"noise_files", "room_files"}
    assert "--set noise_files.folder=FOLDER" in missing["noise_files"]
    assert {example.name for example in examples} | set(missing) | {"one_of"} == set(kinds())
    original = read_audio(tmp_path / "out" / "original.wav")
    for example in examples:
        assert (tmp_path / "out" / example.picture).is_file() and example.description
        if example.audio is None:
            assert example.name in ("spec_augment", "feature_erase")
        else:
            changed = read_audio(tmp_path / "out" / example.audio)
            assert len(changed) != len(original) or not np.array_equal(changed, original)
    assert next(example.drawn for example in examples if example.name == "pitch") == {"semitones": "2"}
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="{example.name}"' in page for example in examples)


def test_cutmix_contains_the_other_clip_and_one_clip_is_mixed_with_itself_backwards(
    clips: list[Path], tmp_path: Path
) -> None:
    members, _ = every_member({})
    only = {"cutmix": members["cutmix"]}
    (example,), _ = examples_of(clips, only, tmp_path / "two")
    changed, first, second = (read_audio(path) for path in (tmp_path / "two" / "cutmix.wav", *clips))
    is_other = np.isclose(changed, second * np.std(first) / np.std(second), atol=1e-3)
    assert (np.isclose(changed, first, atol=1e-3) | is_other).all()
    share = float(example.drawn["share of the clip"])
    assert np.mean(~np.isclose(changed, first, atol=1e-3)) <= 1 - share + 0.01
    examples, _ = examples_of(clips[:1], only, tmp_path / "one")
    assert len(examples) == 1


def test_setting_that_changes_nothing_and_faults_are_reported(clips: list[Path], tmp_path: Path) -> None:
    members = {"stretch": every_member({"stretch": {"factor": [1, 1]}})[0]["stretch"]}
    assert examples_of(clips, members, tmp_path / "out")[1] == {
        "stretch": "changes nothing with these settings"
    }
    with pytest.raises(AugmentationError, match=r"augment\.pich: unknown key; did you mean 'pitch'"):
        every_member({"pich": {}})


def test_setting_without_effect_is_refused_or_leaves_the_member_out() -> None:
    members, left_out = every_member({"pitch": None, "room_files": None})
    assert "pitch" not in members
    assert left_out["pitch"] == left_out["room_files"] == "switched off"
    with pytest.raises(AugmentationError, match=r"augment\.one_of is a choice among augmentations"):
        every_member({"one_of": {"among": {"pitch": {}}}})
    with pytest.raises(AugmentationError, match=r"augment\.noise_files"):
        every_member({"noise_files": 5})


def test_clip_is_never_overwritten(clips: list[Path], tmp_path: Path) -> None:
    gain = clips[0].rename(tmp_path / "gain.wav")
    before = gain.read_bytes()
    with pytest.raises(AugmentationError, match="where it may be overwritten; choose another folder"):
        examples_of([gain], every_member({})[0], tmp_path)
    assert gain.read_bytes() == before


def test_augmentation_alone_and_in_a_choice_has_two_examples(clips: list[Path], tmp_path: Path) -> None:
    settings = {"gain": {"factor": (0.5, 0.5)}, "one_of": {"among": {"gain": {"factor": (0.25, 0.25)}}}}
    examples, _ = examples_of(clips, Chain.of(settings).waveform, tmp_path / "out")
    assert [example.audio for example in examples] == ["gain.wav", "one_of.among.gain.wav"]
    assert [example.drawn["factor"] for example in examples] == ["0.5", "0.25"]


def test_recipe_without_augmentation_has_no_examples(tones: Manifest) -> None:
    with pytest.raises(AugmentationError, match="the recipe has no augmentation"):
        settings_members(toy(tones).augment)


def test_drawn_rows_are_those_of_a_training(tones: Manifest) -> None:
    among = {
        "stretch": {},
        "pitch": {},
        "mixup": {},
        "spec_augment": {"time_width_frames": 8},
        "feature_erase": {},
    }
    recipe = toy(
        tones,
        augment={"gain": {"probability": 0.5}, "one_of": {"among": among, "probability": 0.9}},
        train={"seed": 5, "epochs": 3},
    )
    drawn = drawn_rows(recipe, tones, rows=30, epochs=2)
    assert [(row.row, row.epoch) for row in drawn] == [(row, epoch) for epoch in (1, 2) for row in range(30)]
    geometry = geometry_of(recipe.model.architecture, 16000, "toy")
    collator = Collator(
        tones,
        recipe.make_tasks(),
        recipe.preprocessing,
        num_frames=geometry.num_frames,
        hidden_size=16,
        augment=recipe.augment,
    )
    chain, seen = Chain.of(recipe.augment), set()
    for row in drawn:
        draws = Draws(5, 0, row.epoch - 1)
        batch = collator(np.array([row.row]), draws, 0)
        factor = float(chain.speed_factors(np.array([row.row]), draws)[0])
        assert (factor != 1) == ("one_of.among.stretch" in row.augmentations)
        masked = np.flatnonzero(batch.inputs["time_mask"][0].numpy())
        frames = row.augmentations.get("one_of.among.spec_augment", {}).get("frames", "")
        spans = [part.split("–") for part in frames.partition(" of")[0].split(", ")] if "–" in frames else []
        named = sorted({frame for first, last in spans for frame in range(int(first), int(last) + 1)})
        assert named == masked.tolist()
        rectangle = batch.inputs.get("masked_rectangles")
        assert ("one_of.among.feature_erase" in row.augmentations) == (
            rectangle is not None and bool(rectangle.any())
        )
        if "gain" in row.augmentations:
            assert (
                row.augmentations["gain"]["factor"]
                == f"{chain.drawn(row.row, draws)['gain']['factor'][0]:.3g}"
            )
        seen |= set(row.augmentations)
    assert seen == {"gain", *(f"one_of.among.{name}" for name in among)}


def test_phases_have_their_own_draws(tones: Manifest) -> None:
    phases = [{"name": "a", "epochs": 1}, {"name": "b", "epochs": 2, "augment": {"gain": None}}]
    recipe = toy(tones, augment={"gain": {"probability": 1}}, train={"phases": phases})
    drawn = drawn_rows(recipe, tones, rows=2, epochs=5)
    assert [(row.phase, row.epoch, list(row.augmentations)) for row in drawn] == [
        *((1, 1, ["gain"]),) * 2,
        *((2, 1, []),) * 2,
        *((2, 2, []),) * 2,
    ]
