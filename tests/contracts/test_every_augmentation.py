"""What every augmentation of the waveform must do. A new file in `audio/augment/` is tested the moment it exists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.chain import Chain
from soritune.audio.augment.recordings import RecordedSounds
from soritune.audio.augment.settings import kinds
from soritune.draws import Draws

KINDS = {key: kind for key, kind in kinds().items() if issubclass(kind, Augmentation)}
SOUNDS: dict[str, str] = {}
"""Settings that recordings need; `recorded` fills them in."""
DRAWS = Draws(3, 1, 2)
RATE = 16000
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "recipes.md"


@pytest.fixture(params=sorted(KINDS))
def key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", autouse=True)
def recorded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Three recordings for the augmentations that take sounds from a folder."""
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(3):
        rng = np.random.default_rng(number)
        decay = np.exp(-np.arange(4000) / (400 * (number + 1)))
        soundfile.write(folder / f"{number}.wav", 0.3 * decay * rng.uniform(-1, 1, 4000), RATE)
    SOUNDS["folder"] = str(folder)


def settings_of(key: str) -> dict[str, str]:
    return SOUNDS if issubclass(KINDS[key], RecordedSounds) else {}


def chain(key: str, probability: float = 1.0) -> Chain:
    return Chain({key: KINDS[key].model_validate({"probability": probability, **settings_of(key)})})


def talk(seconds: float = 0.8, rate: int = RATE) -> np.ndarray:
    """A harmonic sound with a pause in it."""
    time = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 9))
    return (0.1 * voice * (np.sin(2 * np.pi * 2 * time) > -0.5)).astype(np.float32)


CLIPS = {
    "talk": talk(),
    "0.1 s": talk(0.1),
    "silence": np.zeros(RATE, np.float32),
    "0.1 s of silence": np.zeros(1600, np.float32),
    "full scale": np.sign(talk(0.3) + np.float32(1e-9)).astype(np.float32),
    "odd length": talk(0.7)[:11003],
}


@pytest.mark.parametrize("name", CLIPS)
def test_samples_are_finite_mono_float32_of_the_promised_length(key: str, name: str) -> None:
    clip, before = CLIPS[name], CLIPS[name].copy()
    factors = chain(key).speed_factors(np.arange(12), DRAWS)
    for visit in range(12):
        changed = chain(key).apply(clip, RATE, visit, DRAWS)
        assert changed.dtype == np.float32 and changed.ndim == 1 and np.isfinite(changed).all()
        assert abs(len(changed) - len(clip) / factors[visit]) <= 1
    assert np.array_equal(clip, before)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_other_sample_rates_give_finite_samples(key: str, rate: int) -> None:
    changed = [chain(key).apply(talk(0.4, rate), rate, visit, DRAWS) for visit in range(4)]
    assert all(np.isfinite(samples).all() for samples in changed)


def test_change_is_reproducible_and_differs_by_seed_phase_and_epoch(key: str) -> None:
    def changed(visits: range, draws: Draws) -> list[bytes]:
        return [chain(key).apply(talk(), RATE, visit, draws).tobytes() for visit in visits]

    first = changed(range(8), DRAWS)
    assert changed(range(8), DRAWS) == first
    assert len(set(first)) > 1
    for draws in (Draws(4, 1, 2), Draws(3, 0, 2), Draws(3, 1, 3)):
        assert changed(range(8), draws) != first


def test_draws_do_not_depend_on_the_order_of_rows_or_the_rows_beside_them(key: str) -> None:
    rows, member = np.arange(60), next(iter(chain(key).waveform.values()))
    order = np.random.default_rng(0).permutation(60)[:25]
    every, some = member.draw(DRAWS.for_rows(key, rows)), member.draw(DRAWS.for_rows(key, rows[order]))
    assert every.keys() == some.keys()
    for name, values in every.items():
        assert len(values) == 60
        assert np.array_equal(values[order], some[name])
    assert np.array_equal(
        chain(key).speed_factors(rows, DRAWS)[order], chain(key).speed_factors(rows[order], DRAWS)
    )


def test_probability_0_changes_nothing(key: str) -> None:
    never = chain(key, 0.0)
    assert all(np.array_equal(never.apply(talk(), RATE, visit, DRAWS), talk()) for visit in range(50))
    assert (never.speed_factors(np.arange(1000), DRAWS) == 1.0).all()
    assert (never.fastest, never.slowest, never.changes_length) == (1.0, 1.0, False)


def test_share_of_changed_utterances_is_the_probability(key: str) -> None:
    """Of 600 at 0.3, 99 % of binomial counts lie within 2.576 standard deviations (28.9) of 180."""
    clip, sometimes, always = talk(0.1), chain(key, 0.3), chain(key, 1.0)
    differ = 0
    possible = 0
    for visit in range(600):
        effective = not np.array_equal(always.apply(clip, RATE, visit, DRAWS), clip)
        changed = not np.array_equal(sometimes.apply(clip, RATE, visit, DRAWS), clip)
        assert effective or not changed
        differ, possible = differ + changed, possible + effective
    assert abs(differ - 0.3 * possible) <= 2.576 * np.sqrt(0.3 * 0.7 * possible)
    assert possible > 300  # a third of the speeds that are drawn is 1.0


def test_bounds_of_the_speed_hold_and_are_reached(key: str) -> None:
    made = chain(key)
    factors = made.speed_factors(np.arange(20_000), DRAWS)
    assert made.slowest <= factors.min() and factors.max() <= made.fastest
    assert factors.min() == pytest.approx(made.slowest, rel=0.01)
    assert factors.max() == pytest.approx(made.fastest, rel=0.01)
    assert made.changes_length == bool((factors != 1.0).any())


def test_settings_survive_json(key: str) -> None:
    member = KINDS[key].model_validate(settings_of(key))
    assert KINDS[key].model_validate_json(member.model_dump_json()) == member


def test_augmentation_is_documented(key: str) -> None:
    if not KINDS[key].__module__.startswith("soritune."):
        pytest.skip("another package offers it")
    assert f"| `{key}`" in DOCUMENT.read_text(encoding="utf-8")
