"""What augmentations do to a clip, as sounds and pictures, and what a recipe draws for the rows of a manifest."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.augment.augmentation import Augmentation, Parameters
from soritune.audio.augment.chain import Chain
from soritune.audio.augment.masks import Masking
from soritune.audio.augment.mixing import MixableBatch, Mixing
from soritune.audio.augment.recordings import RecordedSounds
from soritune.audio.augment.selection import Selection
from soritune.audio.augment.settings import AugmentSettings, Member, kinds
from soritune.audio.channels import Float32Array
from soritune.audio.waveform import read_audio, write_audio
from soritune.corpus.manifest import Manifest
from soritune.draws import Draws
from soritune.errors import AugmentationError
from soritune.models.encoders.encoder import geometry_of
from soritune.models.pretrained import described_architecture
from soritune.recipe import Recipe
from soritune.reports.listening_page import Example, save_picture, write_page
from soritune.training.phases import chosen_phases, resolve_phases

RATE_HZ, BANDS = 16000, 80
_TRIES = 20
"""Rows that are tried until one is changed audibly: a speed of 1.0, or a share near 1, is drawn too."""


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """What changes one row in one epoch."""

    row: int
    id: str
    phase: int
    epoch: int
    augmentations: dict[str, dict[str, str]]
    """Key → values drawn, in the order in which they are applied."""


def examples_of(
    clips: Sequence[Path],
    members: Mapping[str, Member],
    folder: Path,
    *,
    seed: int = 0,
    left_out: Mapping[str, str] | None = None,
) -> tuple[list[Example], dict[str, str]]:
    """Writes one example of each augmentation, with a page to listen to them.

    Args:
        clips: the clip, and another one that is mixed with it; without the other, the clip itself, backwards.
        members: the augmentations by key.
        folder: gets `original.wav`, a picture and a sound per augmentation, and index.html.
        seed: of the draws.
        left_out: why other augmentations have no example, by their keys, for the page.

    Returns:
        The examples, and the reasons why augmentations lack one, by key.

    Raises:
        AudioError: a clip cannot be read.
        AugmentationError: an augmentation needs files or a codec that do not exist, or a clip is in the folder itself.
        OutputError: the folder cannot be written to.
    """
    for path in clips:
        if path.resolve().parent == folder.resolve():
            raise AugmentationError(
                f"{path} is in {folder}, where it may be overwritten; choose another folder"
            )
    clip = read_audio(clips[0], sample_rate_hz=RATE_HZ)
    other = read_audio(clips[1], sample_rate_hz=RATE_HZ) if len(clips) > 1 else clip[::-1].copy()
    chain = Chain(members)
    chain.check_usable()
    write_audio(folder / "original.wav", clip, RATE_HZ)
    examples: list[Example] = []
    missing = dict(left_out or {})
    changes: dict[str, Augmentation | Masking | Mixing] = {**chain.waveform, **chain.masking, **chain.mixing}
    for key, settings in changes.items():
        member = _always(settings)
        name = key.rpartition(".")[2]
        if any(example.name == name for example in examples):  # alone in the recipe, and in a choice
            name = key
        shown = _shown(name, member, clip, other, seed)
        if shown is None:
            missing[name] = "changes nothing with these settings"
            continue
        changed, drawn, hidden = shown
        audio = None if hidden is not None else f"{name}.wav"
        if audio is not None:
            write_audio(folder / audio, changed, RATE_HZ)
        save_picture(folder / f"{name}.png", clip, changed, RATE_HZ, hidden)
        examples.append(Example(name, _description(member), drawn, f"{name}.png", audio))
    write_page(folder, clips[0].name, "original.wav", examples, missing)
    return examples, missing


def every_member(settings: Mapping[str, Any]) -> tuple[dict[str, Member], dict[str, str]]:
    """All augmentations with these settings by key, and why one cannot be shown.

    Raises:
        AugmentationError: a setting has a fault, or it is one of a choice, which is not shown here.
    """
    given: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for key, kind in kinds().items():
        own = settings.get(key, {})
        if issubclass(kind, Selection):
            if key in settings:
                raise AugmentationError(
                    f"augment.{key} is a choice among augmentations, which are shown one by one; set these, or "
                    "give a recipe with --recipe"
                )
        elif own is None:
            left_out[key] = "switched off"
        elif issubclass(kind, RecordedSounds) and isinstance(own, Mapping) and "folder" not in own:
            left_out[key] = f"needs recordings; give --set {key}.folder=FOLDER"
        else:
            given[key] = own
    unknown = {key: value for key, value in settings.items() if key not in (*given, *left_out)}
    chain = Chain.of({**given, **unknown})
    return {**chain.waveform, **chain.masking, **chain.mixing}, left_out


def drawn_rows(recipe: Recipe, manifest: Manifest, *, rows: int, epochs: int) -> list[DrawnRow]:
    """What a training of the recipe draws for the first rows of a manifest; nothing is read or changed.

    A training draws by the number of a row in its own manifest, `checked.parquet` of the run.

    Args:
        recipe: gives augmentations, phases and seed.
        manifest: gives the rows.
        rows: how many, from the first one.
        epochs: how many of each phase that is trained.

    Raises:
        ModelError, BundleError: masks are drawn, and the encoder's frames are unknown.
        AugmentationError: recordings are missing.
    """
    drawn = []
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    for phase in chosen_phases(phases, recipe.train.phase):
        chain = Chain.of(phase.augment)
        chain.check_usable()
        for epoch in range(min(epochs, phase.settings.epochs)):
            draws = Draws(recipe.train.seed, phase.index, epoch)
            for row in range(min(rows, len(manifest))):
                changes = _row_changes(chain, recipe, float(manifest.durations_s[row]), row, draws)
                identifier = str(manifest.column("id")[row].as_py())
                drawn.append(DrawnRow(row, identifier, phase.index + 1, epoch + 1, changes))
    return drawn


def _row_changes(
    chain: Chain, recipe: Recipe, duration_s: float, row: int, draws: Draws
) -> dict[str, dict[str, str]]:
    visits = np.array([row])
    chosen = {key: bool(flags[0]) for key, flags in chain.chosen(visits, draws).items()}
    changes = {key: _values(parameters) for key, parameters in chain.drawn(row, draws).items()}
    for key in chain.mixing:
        if key in chosen:
            text = {"partner and share": "by micro-batch"} if chosen[key] else None
        else:
            text = {"whether, partner and share": "by micro-batch"}
        if text is not None:
            changes[key] = text
    for key, member in chain.masking.items():
        if chosen.get(key, True):
            hidden = _masked_times(key, member, chain, recipe, duration_s, row, draws, key in chosen)
            if hidden is not None:
                changes[key] = {"frames": hidden}
    return changes


def _masked_times(
    key: str,
    member: Masking,
    chain: Chain,
    recipe: Recipe,
    duration_s: float,
    row: int,
    draws: Draws,
    is_chosen: bool,
) -> str | None:
    """The frames that a mask hides, as text; None where the row is not masked."""
    rate = recipe.preprocessing.sample_rate_hz
    architecture = described_architecture(recipe.model)
    geometry = geometry_of(architecture, rate, recipe.model.encoder)
    kept_s = min(duration_s, recipe.preprocessing.max_duration_s or duration_s)
    factor = float(chain.speed_factors(np.array([row]), draws)[0])
    frames = int(geometry.num_frames(round(kept_s * rate / factor)))
    alone = Chain({key: _always(member) if is_chosen else member})
    masks = alone.masks(np.array([row]), np.array([frames]), BANDS, draws)
    assert masks is not None, "one row and one mask"
    spans = [(int(first), int(end)) for first, end, *_ in masks.rectangles[0] if end > first]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], masks.time[0].astype(int), [0]])))
    spans += [(int(first), int(end)) for first, end in pairwise(edges)][::2]
    if not spans and not masks.feature.any():
        return None
    return (
        ", ".join(f"{first}–{end - 1}" for first, end in spans) + f" of {frames}"
        if spans
        else "channels only"
    )


def _shown(
    name: str, member: Augmentation | Masking | Mixing, clip: Float32Array, other: Float32Array, seed: int
) -> tuple[Float32Array, dict[str, str], NDArray[np.bool_] | None] | None:
    """The changed clip, the values drawn, and what of its mel bands is hidden; None if nothing changes it."""
    chain, draws = Chain({name: member}), Draws(seed, 0, 0)
    for visit in range(_TRIES):
        if isinstance(member, Augmentation):
            changed = chain.apply(clip, RATE_HZ, visit, draws)
            if not np.array_equal(changed, clip):
                return changed, _values(chain.drawn(visit, draws)[name]), None
        elif isinstance(member, Mixing):
            changed, share = _mixed(chain, clip, other, draws, visit)
            if 0.02 < share < 0.98:  # both can be heard
                return changed, {"share of the clip": f"{share:.2f}"}, None
        else:
            hidden = _hidden(chain, -(-len(clip) // (RATE_HZ // 50)), draws, visit)
            if hidden.any():
                return clip, {"hidden share": f"{hidden.mean():.2f}"}, hidden
    return None


def _mixed(
    chain: Chain, clip: Float32Array, other: Float32Array, draws: Draws, number: int
) -> tuple[Float32Array, float]:
    """The clip mixed with another one of the same power, as training mixes normalised utterances; its own share."""
    scales = [float(np.std(samples)) or 1.0 for samples in (clip, other)]
    lengths = np.array([len(clip), len(other)])
    waveform = np.zeros((2, int(lengths.max())), np.float32)
    for line, samples, scale in zip(waveform, (clip, other), scales, strict=True):
        line[: len(samples)] = samples / np.float32(scale)
    batch = MixableBatch(
        waveform, lengths, {"clip": np.eye(2, dtype=np.float32)}, {"clip": np.ones(2, dtype=bool)}
    )
    mixed = chain.mix(batch, draws, number)
    changed: Float32Array = mixed.waveform[0, : len(clip)] * np.float32(scales[0])
    return changed, float(mixed.targets["clip"][0, 0])


def _hidden(chain: Chain, frames: int, draws: Draws, visit: int) -> NDArray[np.bool_]:
    """(frames, bands), True where features are hidden."""
    masks = chain.masks(np.array([visit]), np.array([frames]), BANDS, draws)
    assert masks is not None, "one row and one mask"
    hidden: NDArray[np.bool_] = masks.time[0][:, None] | masks.feature[0][None, :]
    for first, end, low, high in masks.rectangles[0]:
        hidden[first:end, low:high] = True
    return hidden


def _always(member: Augmentation | Masking | Mixing) -> Augmentation | Masking | Mixing:
    return member.model_copy(update={"probability": 1.0})


def _values(parameters: Parameters) -> dict[str, str]:
    """The values drawn for the first row, as text."""
    return {name: _text(values[0]) for name, values in parameters.items()}


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return " ".join(_text(part) for part in value)
    return f"{value:.3g}" if isinstance(value, float | np.floating) else str(value)


def _description(member: Augmentation | Masking | Mixing) -> str:
    """The first sentence of the docstring of its class."""
    text = " ".join((inspect.getdoc(type(member)) or "").split("\n\n")[0].split())
    return text.replace("`", "")


def settings_members(settings: AugmentSettings) -> dict[str, Member]:
    """The members of a recipe's settings.

    Raises:
        AugmentationError: the recipe has no augmentation.
    """
    if not settings.members:
        raise AugmentationError("the recipe has no augmentation; leave out --recipe to hear every one")
    return settings.members
