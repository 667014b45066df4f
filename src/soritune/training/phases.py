"""The phases of a run: the settings of each, and which of them are trained now. Torch-free.

Next: `training/phase_start.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar, cast

from soritune.audio.augment.settings import AugmentSettings
from soritune.errors import TrainingError, UnknownNameError
from soritune.models.config import FreezeSettings
from soritune.settings import Settings
from soritune.training.config import PhaseSettings, TrainingSettings

Model = TypeVar("Model", bound=Settings)
NOT_INHERITED = ("phases", "phase")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase with everything it inherits filled in."""

    index: int
    """From 0; messages use `number`."""
    count: int
    """Phases of the recipe."""
    name: str
    settings: TrainingSettings
    augment: AugmentSettings
    freeze: FreezeSettings
    data_share: float = 1.0

    @property
    def number(self) -> int:
        """Counted from 1."""
        return self.index + 1

    @property
    def prefix(self) -> str:
        """Prefix of the names of its bundles: "phase1_"; empty for the last phase of a recipe."""
        return "" if self.number == self.count else f"phase{self.number}_"

    def __str__(self) -> str:
        if self.count == 1:
            return "the run"
        return f"phase {self.number} of {self.count}" + (f" ({self.name})" if self.name else "")

    def digest(self) -> str:
        """A hash of everything that its results depend on."""
        plain = self.settings.model_dump(mode="json", include=set(PhaseSettings.model_fields))
        content = [
            plain,
            self.augment.identity(),
            self.freeze.model_dump(mode="json"),
            self.data_share,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def resolve_phases(
    settings: TrainingSettings, augment: AugmentSettings, freeze: FreezeSettings
) -> tuple[Phase, ...]:
    """The recipe's phases; a recipe without any is one phase."""
    whole = settings.model_copy(update={"phases": (), "phase": None})
    if not settings.phases:
        return (Phase(0, 1, "", whole, augment, freeze),)
    return tuple(
        Phase(
            index,
            len(settings.phases),
            phase.name or "",
            _settings_of(whole, phase),
            overlay(augment, phase.augment),
            overlay(freeze, phase.freeze),
            phase.data_share,
        )
        for index, phase in enumerate(settings.phases)
    )


def _settings_of(whole: TrainingSettings, phase: PhaseSettings) -> TrainingSettings:
    settings = overlay(whole, phase)
    if "warmup_steps" in phase.model_fields_set and "warmup_share" not in phase.model_fields_set:
        settings = settings.model_copy(update={"warmup_share": None})
    return settings


def overlay(under: Model, over: Settings | None) -> Model:
    """`under` with the settings that are named in `over`; nested settings are overlaid in the same way."""
    if over is None:
        return under
    values, known = dict(under), type(under).key_types()
    for name, new in over:
        if name in over.model_fields_set and name in known:
            old = values.get(name)
            within = isinstance(old, Settings) and isinstance(new, Settings)
            values[name] = overlay(cast(Settings, old), new) if within else new
    return type(under).model_validate(values)


def chosen_phases(
    phases: tuple[Phase, ...], names: int | str | Iterable[int | str] | None
) -> tuple[Phase, ...]:
    """The phases with these names or numbers, in the recipe's order; None chooses all.

    Raises:
        UnknownNameError: the recipe has no such phase.
    """
    if names is None:
        return phases
    known = {str(phase.number): phase for phase in phases} | {p.name: p for p in phases if p.name}
    chosen = set()
    for name in [names] if isinstance(names, int | str) else names:
        if str(name) not in known:
            raise UnknownNameError("phase", str(name), known)
        chosen.add(known[str(name)].index)
    return tuple(phase for phase in phases if phase.index in chosen)


def next_phase(
    phases: tuple[Phase, ...],
    chosen: tuple[Phase, ...],
    *,
    current: int | None,
    done: Iterable[int],
    resume: bool,
) -> Phase | None:
    """The phase to continue with in a folder that holds a run, or None if all chosen phases are finished.

    Args:
        phases: of the recipe.
        chosen: those to train now.
        current: index of a phase that was begun and not finished.
        done: indices of finished ones.
        resume: whether an unfinished phase may be resumed.

    Raises:
        TrainingError: another phase is unfinished, or the chosen ones are already finished.
    """
    done = set(done)
    indices = {phase.index for phase in chosen}
    if current is not None:
        if not 0 <= current < len(phases):
            raise TrainingError(f"the checkpoint is of phase {current + 1}, and the recipe has {len(phases)}")
        if current not in indices:
            raise TrainingError(f"{phases[current]} was interrupted; finish it first with --resume")
        if not resume:
            raise TrainingError(f"{phases[current]} was interrupted; continue it with --resume")
        return phases[current]
    left = [phase for phase in chosen if phase.index not in done and phase.index > max(done, default=-1)]
    if left:
        return left[0]
    if not resume:
        names = ", ".join(str(phase) for phase in chosen)
        raise TrainingError(
            f"{names}: already trained in this folder, or a later one is; choose another --output"
        )
    return None
