"""What a run needs before anything is prepared: corpus, device, encoder, and a folder of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from soritune import processes
from soritune.bundles.read import is_bundle
from soritune.corpus.prepare import source_config
from soritune.errors import BundleError, ModelError, OutputError, RecipeError, TrainingError
from soritune.recipe import Recipe

if TYPE_CHECKING:
    pass


def check_start(recipe: Recipe) -> None:
    """Looks for corpus, device and encoder before hours of preparing, not after.

    Raises:
        SorituneError: no corpus there; no such device; neither a folder nor a reachable hub name; steps that the
            processes cannot share.
    """
    from soritune.models.pretrained import open_pretrained
    from soritune.training.devices import pick_device
    from soritune.training.phases import chosen_phases, resolve_phases
    from soritune.training.selection import Selection

    per_step, several = recipe.batches.micro_batches_per_step, processes.count()
    if per_step % several:
        raise TrainingError(
            f"batches.micro_batches_per_step={per_step} cannot be shared evenly by {several} processes; choose a "
            f"multiple of {several}"
        )
    if recipe.data.root is None:
        raise RecipeError(recipe.name, ["data.root: missing; give the corpus folder as data=ROOT"])
    if not recipe.data.synthetic and not Path(recipe.data.root).exists():
        raise RecipeError(recipe.name, [f"data.root: there is no file or folder {recipe.data.root}"])
    source_config(recipe.data.source, recipe.data.config)
    pick_device(recipe.train.device)
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    chosen_phases(phases, recipe.train.phase)
    kept = ["best"]
    for phase in phases:
        kept += [
            bundle for bundle in Selection(recipe.make_tasks(), phase.settings).bundles if bundle not in kept
        ]
    kept += (
        ["last", "last_raw", "start"] if any(phase.settings.ema for phase in phases) else ["last", "start"]
    )
    wanted = re.sub(r"^phase\d+_|_step\d+$", "", recipe.evaluate.checkpoint)
    most = max(phase.settings.epochs for phase in phases)
    epochs = [f"epoch_{number}" for number in range(1, most + 1)]
    if wanted not in kept and not (recipe.train.keep_epochs and wanted in epochs):
        known = ", ".join([*kept, f"epoch_1 … {epochs[-1]}"] if recipe.train.keep_epochs else kept)
        hint = " (train.keep_epochs=true keeps every epoch)" if wanted in epochs else ""
        raise RecipeError(
            recipe.name, [f"evaluate.checkpoint: is '{wanted}', which is not kept{hint}; give one of {known}"]
        )
    source = recipe.model.starts_from
    if source is None:
        return
    try:
        if not is_bundle(source):
            open_pretrained(source)
    except (ModelError, BundleError) as error:
        key = "model.init_from" if recipe.model.init_from else "model.encoder"
        raise ModelError(f"{key}: {error}") from error


def open_folder(
    folder: Path, *, resume: bool = False, phase: int | str | tuple[int | str, ...] | None = None
) -> bool:
    """Makes the run's folder.

    Args:
        folder: of the run.
        resume: the run in it is to be gone on with.
        phase: phases asked for by name; they may follow those that were trained in the folder before.

    Returns:
        Whether a run in the folder is gone on with.

    Raises:
        OutputError: it cannot be written to, or holds another run that would be mixed up with this one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written to ({error.strerror}); choose another --output"
        ) from None
    begun = any((folder / "checkpoints").glob("step-*"))
    if resume and not begun:
        raise TrainingError(f"{folder} has no whole checkpoint to resume from; start without --resume")
    if not begun and (folder / "bundles").exists():
        shutil.rmtree(folder / "bundles")  # of a start that failed before its first checkpoint
    if not resume and begun and phase is None:
        raise OutputError(
            f"{folder} already holds a run; continue it with --resume, or choose another --output"
        )
    return begun
