from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import soundfile
import torch

from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.draws import Draws
from soritune.errors import AugmentationError
from soritune.geometry import frames_of
from soritune.recipe import make_task
from soritune.training.batches.batch import Batch
from soritune.training.batches.collate import Collator
from soritune.training.batches.config import BatchSettings
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import plan_epoch

KERNEL, STRIDE = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
NUM_FRAMES = partial(frames_of, kernels=KERNEL, strides=STRIDE)
LABELS = ["Anxious", "Kind", "Dry"]


def collator(manifest: Manifest, **changes: object) -> Collator:
    tasks = [make_task("emotion", {"labels": LABELS}), make_task("phoneme", {})]
    return Collator(manifest, tasks, Preprocessing(), num_frames=NUM_FRAMES, hidden_size=16, **changes)


def test_batch_is_padded_and_counts_its_labels(tones: Manifest) -> None:
    rows = np.array([0, 5, 9])
    batch = collator(tones)(rows, Draws(0, 0, 0), 0)
    assert batch.inputs["waveform"].shape == (3, int(batch.inputs["num_samples"].max()))
    for line, length in zip(batch.inputs["waveform"], batch.inputs["num_samples"].tolist(), strict=True):
        assert torch.all(line[length:] == 0)
        assert abs(float(line[:length].mean())) < 1e-4
        assert float(line[:length].var()) == pytest.approx(1, abs=1e-3)
    phones = batch.targets["phoneme"]
    assert phones.count == float(phones.lengths.sum()) > 0
    assert batch.targets["emotion"].values.sum(1).tolist() == [1.0, 1.0, 1.0]
    assert batch.audio_s == pytest.approx(float(batch.inputs["num_samples"].sum()) / 16000)


def test_smoothed_target_keeps_its_mass_and_class_weights_add_up(tones: Manifest) -> None:
    weighted = make_task("emotion", {"labels": LABELS, "class_weights": [1.0, 2.0, 4.0]})
    smooth = Collator(
        tones, [weighted], Preprocessing(), num_frames=NUM_FRAMES, hidden_size=16, label_smoothing=0.3
    )
    row = next(i for i, u in enumerate(tones) if u.emotion == "Kind")
    target = smooth(np.array([row]), Draws(0, 0, 0), 0).targets["emotion"]
    assert np.allclose(target.values[0], [0.1, 0.8, 0.1])
    assert target.count == pytest.approx(0.1 + 1.6 + 0.4)


def test_speed_changes_the_length_by_the_factor(tones: Manifest) -> None:
    augment = AugmentSettings.model_validate({"speed": {"factors": [0.5], "probability": 1.0}})
    rows = np.arange(4)
    plain, slow = (
        collator(tones)(rows, Draws(0, 0, 0), 0),
        collator(tones, augment=augment)(rows, Draws(0, 0, 0), 0),
    )
    assert np.allclose(slow.inputs["num_samples"] / plain.inputs["num_samples"], 2.0, rtol=1e-3)


def test_row_does_not_depend_on_the_rest_of_the_batch(tones: Manifest) -> None:
    augment = AugmentSettings.model_validate(
        {"speed": {"probability": 1.0}, "spec_augment": {"probability": 1.0}}
    )
    made = collator(tones, augment=augment)
    alone, among = made(np.array([7]), Draws(1, 0, 2), 5), made(np.array([3, 7, 11]), Draws(1, 0, 2), 9)
    length = int(alone.inputs["num_samples"][0])
    assert int(among.inputs["num_samples"][1]) == length
    assert torch.equal(alone.inputs["waveform"][0], among.inputs["waveform"][1, :length])
    assert "time_mask" in alone.inputs and "time_mask" in among.inputs
    assert torch.equal(
        alone.inputs["time_mask"][0], among.inputs["time_mask"][1, : alone.inputs["time_mask"].shape[1]]
    )
    assert alone.masked_share == pytest.approx(float(alone.inputs["time_mask"].float().mean()))
    assert torch.equal(alone.inputs["feature_mask"][0], among.inputs["feature_mask"][1])


EVERY = AugmentSettings.model_validate(
    {
        "room": {"probability": 0.7},
        "speed": {"probability": 0.7},
        "noise": {"probability": 0.7},
        "microphone": {"probability": 0.7},
        "telephone": {"probability": 0.5},
        "spec_augment": {"probability": 0.7, "time_width_frames": 10},
    }
)


@pytest.mark.slow
def test_augmented_samples_do_not_depend_on_the_number_of_workers(tones: Manifest) -> None:
    plan = plan_epoch(np.arange(len(tones)), tones.durations_s, BatchSettings(batch_size=5), seed=0)
    made, plain = collator(tones, augment=EVERY), collator(tones)
    indices = range(plan.num_micro_batches)
    one, two, without = (
        list(load_batches(plan, each, Draws(0, 0, 1), indices, num_workers=workers))
        for each, workers in ((made, 0), (made, 2), (plain, 0))
    )
    for a, b, c in zip(one, two, without, strict=True):
        assert torch.equal(a.inputs["waveform"], b.inputs["waveform"]) and torch.equal(
            a.inputs["num_samples"], b.inputs["num_samples"]
        )
        assert torch.equal(a.inputs["time_mask"], b.inputs["time_mask"]) and torch.equal(
            a.inputs["feature_mask"], b.inputs["feature_mask"]
        )
        assert not a.failed and not torch.equal(a.inputs["waveform"], c.inputs["waveform"])


def test_augmented_row_does_not_depend_on_the_rest_of_the_batch(tones: Manifest) -> None:
    made = collator(tones, augment=EVERY)
    alone, among = made(np.array([7]), Draws(1, 0, 2), 5), made(np.array([3, 11, 7]), Draws(1, 0, 2), 9)
    length = int(alone.inputs["num_samples"][0])
    assert int(among.inputs["num_samples"][2]) == length
    assert torch.equal(alone.inputs["waveform"][0], among.inputs["waveform"][2, :length])


LIST = AugmentSettings.model_validate(
    {
        "one_of": {
            "probability": 0.9,
            "second_probability": 0.5,
            "among": {
                "gaussian_noise": {},
                "stretch": {},
                "pitch": {},
                "gain": {},
                "loudness": {},
                "codec": {},
                "random_erase": {},
                "mixup": {},
                "cutmix": {},
                "spec_augment": {"time_width_frames": 10},
                "feature_erase": {},
            },
        }
    }
)


def emotion_collator(manifest: Manifest, **changes: object) -> Collator:
    tasks = [make_task("emotion", {"labels": LABELS})]
    return Collator(manifest, tasks, Preprocessing(), num_frames=NUM_FRAMES, hidden_size=16, **changes)


@pytest.mark.slow
def test_batches_of_a_list_do_not_depend_on_the_number_of_workers_or_ranks(tones: Manifest) -> None:
    """Rank r of R makes the micro-batches whose number is r modulo R."""
    plan = plan_epoch(np.arange(len(tones)), tones.durations_s, BatchSettings(batch_size=6), seed=0)
    made, indices = emotion_collator(tones, augment=LIST), range(plan.num_micro_batches)
    alone = dict(zip(indices, load_batches(plan, made, Draws(0, 0, 1), indices, num_workers=0), strict=True))
    for ranks, workers in ((1, 2), (2, 0), (2, 2)):
        for rank in range(ranks):
            mine = indices[rank::ranks]
            again = load_batches(plan, made, Draws(0, 0, 1), mine, num_workers=workers)
            for index, batch in zip(mine, again, strict=True):
                assert batch.inputs.keys() == alone[index].inputs.keys()
                for name, array in batch.inputs.items():
                    assert torch.equal(array, alone[index].inputs[name]), name
                assert torch.equal(batch.targets["emotion"].values, alone[index].targets["emotion"].values)
    soft = torch.cat([batch.targets["emotion"].values.amax(1) for batch in alone.values()])
    assert 0 < (soft < 1).sum() < len(tones)  # some are mixed
    assert any("masked_rectangles" in batch.inputs for batch in alone.values())
    assert not any(batch.failed for batch in alone.values())


def test_stretched_batches_have_the_durations_of_the_plan(tones: Manifest) -> None:
    made, draws, rows = emotion_collator(tones, augment=LIST), Draws(0, 0, 1), np.arange(len(tones))
    factors = made.chain.speed_factors(rows, draws)
    assert 0 < (factors != 1).sum() < len(rows)
    for row, factor in zip(rows, factors, strict=True):
        batch = made(np.array([row]), draws, 0)
        assert abs(batch.audio_s - tones.durations_s[row] / factor) <= 2 / 16000


def test_phones_of_stretched_and_shifted_rows_are_those_of_the_row(tones: Manifest) -> None:
    augment = AugmentSettings.model_validate({"stretch": {"probability": 1}, "pitch": {"probability": 1}})
    rows = np.arange(6)
    plain, changed = (collator(tones, **more)(rows, Draws(0, 0, 0), 0) for more in ({}, {"augment": augment}))
    assert not torch.equal(plain.inputs["num_samples"], changed.inputs["num_samples"])
    assert torch.equal(plain.targets["phoneme"].values, changed.targets["phoneme"].values)
    assert torch.equal(plain.targets["phoneme"].lengths, changed.targets["phoneme"].lengths)
    assert not changed.failed


def test_mixing_is_refused_beside_ctc_with_the_reason(tones: Manifest) -> None:
    with pytest.raises(
        AugmentationError, match=r"augment\.one_of\.among\.mixup: mixes several .* trained by ctc"
    ):
        collator(tones, augment=LIST)


def test_evaluation_has_no_masks(tones: Manifest) -> None:
    batch = collator(tones)(np.array([0]), Draws(0, 0, 0), 0)
    assert "time_mask" not in batch.inputs and "feature_mask" not in batch.inputs


def test_unreadable_and_too_dense_rows_have_no_weight(tmp_path: object, tones: Manifest) -> None:
    folder = tmp_path  # type: ignore[assignment]
    soundfile.write(folder / "short.wav", np.random.default_rng(0).standard_normal(3200) * 0.1, 16000)  # type: ignore[operator]
    rows = [
        Utterance(id="missing", audio="missing.wav", duration_s=1.0, text="가", emotion="Kind"),
        Utterance(
            id="dense", audio="short.wav", duration_s=0.2, text="가나다라마바사아자차카타파하", emotion="Kind"
        ),
    ]
    manifest = write_manifest(folder / "m.jsonl", rows, root=folder)  # type: ignore[operator]
    batch = collator(manifest)(np.array([0, 1]), Draws(0, 0, 0), 0)
    assert [row for row, _ in batch.failed] == [0, 1]
    assert "symbols need" in batch.failed[1][1]
    assert batch.targets["phoneme"].count == 0.0
    # The second row has too few frames for its phones, but its emotion can be learnt.
    assert batch.targets["emotion"].present.tolist() == [False, True]


@pytest.mark.slow
def test_workers_load_every_batch_once_in_order(tones: Manifest) -> None:
    rows = np.arange(len(tones))
    plan = plan_epoch(
        rows, tones.durations_s, BatchSettings(padded_seconds=5, micro_batches_per_step=3), seed=0
    )
    made = collator(tones)

    def order(workers: int, first: int = 0) -> list[Batch]:
        return list(
            load_batches(
                plan, made, Draws(0, 0, 0), range(first, plan.num_micro_batches), num_workers=workers
            )
        )

    one, two = order(0), order(2)
    assert sorted(row for batch in one for row in batch.rows.tolist()) == rows.tolist()
    assert [b.rows.tolist() for b in one] == [b.rows.tolist() for b in two]
    assert all(torch.equal(a.inputs["waveform"], b.inputs["waveform"]) for a, b in zip(one, two, strict=True))
    assert [b.rows.tolist() for b in order(2, 4)] == [b.rows.tolist() for b in one[4:]]
