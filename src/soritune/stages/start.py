"""What a run needs before anything is prepared: corpus, device, encoder, and a folder without another run.

Next: `stages/prepare.py`.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from soritune import processes
from soritune.audio.augment.chain import Chain
from soritune.bundles.read import is_bundle, load_bundle
from soritune.corpus.prepare import source_config
from soritune.corpus.source_choice import AUTO
from soritune.errors import BundleError, ModelError, OutputError, RecipeError, TrainingError, reason_of
from soritune.recipe import Recipe
from soritune.run_folder import RunFolder, remove_run
from soritune.stages.prepare import existing_root
from soritune.tasks.inputs.input import inputs_of, kind_of

if TYPE_CHECKING:
    from soritune.training.phases import Phase

logger = logging.getLogger(__name__)


def check_start(recipe: Recipe) -> None:
    """Looks for corpus, device and encoder before hours of preparing, not after.

    Raises:
        SorituneError: no corpus there; no such device; an encoder that is neither a folder nor a reachable hub name;
            micro-batches that the processes cannot share; a phase or checkpoint that the recipe does not have; an
            optional library, or a folder of recordings for augmentation, that is missing.
    """
    from soritune.models.devices import pick_device
    from soritune.training.phases import chosen_phases, resolve_phases

    per_step, num_processes = recipe.batches.micro_batches_per_step, processes.count()
    if per_step % num_processes:
        raise TrainingError(
            f"batches.micro_batches_per_step={per_step} cannot be shared evenly by {num_processes} processes; choose a "
            f"multiple of {num_processes}"
        )
    if recipe.data.root is None or not recipe.data.synthetic:
        existing_root(recipe)
    check_extras(recipe)
    if recipe.data.source != AUTO:
        source_config(recipe.data.source, recipe.data.config)
    pick_device(recipe.train.device)
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    chosen_phases(phases, recipe.train.phase)
    _check_judged_bundle(recipe, phases)
    _check_encoder(recipe)
    warn_of_other_preprocessing(recipe)


def check_extras(recipe: Recipe) -> None:
    """Looks for the optional libraries, and the folders of recordings, that a recipe's settings need.

    Raises:
        SorituneError: one is missing; the message names the extra to install, or the folder.
    """
    from soritune.training.phases import resolve_phases

    recipe.preprocessing.check_installed()
    for spec in inputs_of(recipe.make_tasks()):
        kind_of(spec).check_usable(spec)
    for phase in resolve_phases(recipe.train, recipe.augment, recipe.model.freeze):
        Chain.of(phase.augment).check_usable()
    for tracker in recipe.train.make_trackers():
        tracker.check_usable()


def _check_judged_bundle(recipe: Recipe, phases: Sequence[Phase]) -> None:
    """Refuses an `evaluate.checkpoint` that no phase keeps."""
    from soritune.training.selection import Selection

    kept = ["best"]
    for phase in phases:
        kept += [name for name in Selection(recipe.make_tasks(), phase.settings).bundles if name not in kept]
    averages = any(phase.settings.ema for phase in phases)
    kept += ["last", "last_raw", "start"] if averages else ["last", "start"]
    requested = re.sub(r"^phase\d+_|_step\d+$", "", recipe.evaluate.checkpoint)
    epochs = [f"epoch_{number}" for number in range(1, max(phase.settings.epochs for phase in phases) + 1)]
    if requested in kept or (recipe.train.keep_epochs and requested in epochs):
        return
    known = ", ".join([*kept, f"epoch_1 … {epochs[-1]}"] if recipe.train.keep_epochs else kept)
    hint = " (train.keep_epochs=true keeps every epoch)" if requested in epochs else ""
    raise RecipeError(
        recipe.name, [f"evaluate.checkpoint: is '{requested}', which is not kept{hint}; give one of {known}"]
    )


def warn_of_other_preprocessing(recipe: Recipe) -> None:
    """Warns if the weights that training starts from were trained on audio preprocessed in another way."""
    from soritune.models.starting_preprocessing import other_extractor, starting_preprocessing

    if (extractor := other_extractor(recipe.model)) is not None:
        logger.warning(
            "%s names the feature extractor %s in its preprocessor_config.json, which is not that of such an encoder; "
            "check that the file belongs to this model",
            recipe.model.starts_from,
            extractor,
        )
    for name, value in starting_preprocessing(recipe.model).items():
        own = getattr(recipe.preprocessing, name)
        if own != value:
            logger.warning(
                "%s was trained with %s=%s, and the recipe has preprocessing.%s=%s; set preprocessing.%s=%s unless "
                "this difference is intended",
                recipe.model.starts_from,
                *(name, _as_yaml(value)),
                *(name, _as_yaml(own)),
                *(name, _as_yaml(value)),
            )


def _as_yaml(value: bool | int) -> str:
    return str(value).lower()


def _check_encoder(recipe: Recipe) -> None:
    from soritune.models.pretrained import open_pretrained
    from soritune.models.starting_point import open_base

    source = recipe.model.starts_from
    if source is None:
        return
    try:
        if recipe.model.base is not None and not (is_bundle(source) and load_bundle(source).is_adapter):
            raise ModelError(f"{source} has no adapters, so model.base has no effect; leave it out")
        if not is_bundle(source):
            open_pretrained(source)
        elif (bundle := load_bundle(source)).is_adapter:
            open_base(bundle, recipe.model.base)
    except (ModelError, BundleError) as error:
        key = "model.init_from" if recipe.model.init_from else "model.encoder"
        raise ModelError(f"{key}: {error}") from error


def open_folder(
    folder: Path,
    *,
    resume: bool = False,
    phase: int | str | tuple[int | str, ...] | None = None,
    overwrite: bool = False,
) -> bool:
    """Makes the run's folder.

    Args:
        folder: of the run.
        resume: continue the run already in this folder.
        phase: phases requested by name; they may follow those that were trained in the folder before.
        overwrite: remove the run already in this folder.

    Returns:
        Whether a run in the folder is resumed.

    Raises:
        OutputError: it cannot be written to, or holds another run whose files would be mixed with those of this one.
        TrainingError: there is no checkpoint to resume from.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written to ({reason_of(error)}); choose another --output"
        ) from None
    run = RunFolder(folder)
    if resume and not run.has_checkpoint:
        raise TrainingError(f"{folder} has no whole checkpoint to resume from; start without --resume")
    if not run.has_checkpoint and run.bundles.exists():
        shutil.rmtree(run.bundles)  # of a start that failed before its first checkpoint
    if overwrite and run.has_checkpoint:
        remove_run(folder)
    if not resume and run.has_checkpoint and phase is None:
        raise OutputError(
            f"{folder} already holds a run; continue it with --resume, replace it with --overwrite, or choose another "
            "--output"
        )
    return run.has_checkpoint
