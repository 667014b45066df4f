"""`soritune model-info`: how many parameters a model has and how many are trained. Loads no weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.cli.terminal import AsJson, escape, print_json
from soritune.cli.terminal import output as terminal
from soritune.errors import BundleError

if TYPE_CHECKING:
    from soritune.models.config import ModelConfig
    from soritune.tasks.specs import InputSpec, OutputSpec

RANKS = (8, 16, 32)
"""Ranks a LoRA recipe is also counted at."""


def model_info(
    target: Annotated[
        str,
        typer.Argument(
            help=f"Recipe (name or YAML file), run folder (its best bundle), bundle, {DEFAULT_MODEL}, or folder saved "
            "by transformers."
        ),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="dotted.key=value for a recipe, e.g. model.lora.rank=32.")
    ] = None,
    preset: Annotated[
        list[str] | None, typer.Option("--preset", help="A preset of the recipe; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count a model's parameters, trained and all, from its shapes alone; nothing is downloaded."""
    from soritune.bundles.packaged import resolve_model_folder
    from soritune.run_folder import is_run

    folder = Path(target) if target.endswith((".yaml", ".yml")) else resolve_model_folder(target)
    if folder.is_dir():
        if overrides or preset:
            raise BundleError(f"{folder} is a model; overrides and --preset are for recipes, leave them out")
        info = describe_run(folder) if is_run(folder) else describe_folder(folder)
    else:
        from soritune.recipe import load_recipe
        from soritune.tasks.inputs.input import inputs_of

        recipe = load_recipe(target, overrides or (), presets=preset or ())
        tasks = recipe.make_tasks()
        outputs = [spec for task in tasks for spec in task.outputs]
        rate = recipe.preprocessing.sample_rate_hz
        described = describe(recipe.model, outputs, inputs=inputs_of(tasks), sample_rate_hz=rate)
        info = {"name": recipe.name, "kind": "recipe", **described}
    if as_json:
        print_json(info)
    else:
        _print(info)


def describe(
    config: ModelConfig,
    outputs: Sequence[OutputSpec],
    *,
    from_recipe: bool = True,
    inputs: Sequence[InputSpec] = (),
    sample_rate_hz: int = 16000,
) -> dict[str, Any]:
    """What `model-info` reports of the model that `config` and `outputs` describe, counted on the meta device.

    Args:
        config: the model's settings.
        outputs: of the model.
        from_recipe: a user wrote `config.architecture`, so a key that transformers does not have is a mistake.
        inputs: of the model, beside the waveform.
        sample_rate_hz: of its audio.

    Raises:
        ModelError: settings that contradict each other, or an architecture that cannot be found.
    """
    from soritune.models.build import count_model
    from soritune.models.parameter_table import parameter_table

    model = count_model(
        config, outputs, from_recipe=from_recipe, inputs=inputs, sample_rate_hz=sample_rate_hz
    )
    return {
        "encoder": config.init_from or config.encoder,
        "model_type": model.encoder.config.model_type,
        "num_layers": model.num_layers,
        "hidden_size": model.hidden_size,
        "frame_rate_hz": model.geometry.frame_rate_hz,
        "outputs": [
            {"name": spec.name, "objective": spec.objective, "num_labels": len(spec.labels)}
            for spec in outputs
        ],
        "parameters": parameter_table(model).to_json(),
        "variants": _variants(config, outputs, inputs, from_recipe),
    }


def describe_run(folder: Path) -> dict[str, Any]:
    """The same for the bundle that a run folder stands for, with the names of all bundles of the run.

    Raises:
        BundleError: the run has no bundle yet.
    """
    from soritune.run_folder import bundle_names, choose_bundle

    bundle = choose_bundle(folder)
    return {**describe_folder(bundle), "bundle": bundle.name, "bundles": bundle_names(folder)}


def describe_folder(folder: Path) -> dict[str, Any]:
    """The same for a bundle, or for a folder saved by transformers with or without a head.

    Raises:
        ModelError, BundleError: the folder is neither.
    """
    from soritune.bundles.read import is_bundle, load_bundle
    from soritune.models.config import ModelConfig, stored_lora, stored_model
    from soritune.models.pretrained import open_pretrained

    if is_bundle(folder):
        bundle = load_bundle(folder)
        # A full bundle has its adapters merged.
        lora = stored_lora(bundle) if bundle.is_adapter else None
        changes = {"architecture": bundle.architecture, "lora": lora}
        described = describe(
            stored_model(bundle).model_copy(update=changes),
            bundle.outputs,
            from_recipe=False,
            inputs=bundle.inputs,
            sample_rate_hz=bundle.geometry.sample_rate_hz,
        )
        return {"name": bundle.name, "kind": f"{bundle.card['kind']} bundle", **described}
    model = open_pretrained(folder)
    config = ModelConfig(encoder=str(folder), architecture=model.config)
    return {
        "name": folder.name,
        "kind": "checkpoint",
        **describe(config, _outputs_of(model.config, folder), from_recipe=False),
    }


def _outputs_of(config: dict[str, Any], folder: Path) -> list[OutputSpec]:
    """The head that the config of a transformers folder names, as an output."""
    from soritune.bundles.hf_files import read_vocabulary
    from soritune.models.encoders.encoder import family_of
    from soritune.tasks.specs import OutputSpec

    family = family_of(config["model_type"], str(folder))
    written = next(iter(config.get("architectures") or []), "")
    classes = family.hub_names(config["model_type"]).classes
    kind = next((kind for kind, name in classes.items() if name == written), None)
    if kind == "ctc":
        try:
            labels = read_vocabulary(folder)
        except BundleError:
            labels = ()
        size = int(config.get("vocab_size") or len(labels))
        labels = tuple(labels[i] if i < len(labels) else f"#{i}" for i in range(size))
        return [
            OutputSpec("ctc", labels, "frame", "ctc", options={"blank": int(config.get("pad_token_id") or 0)})
        ]
    if kind == "classification":
        names = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        layer = "weighted" if family.reads_weighted_layers(config) else "last"
        labels = tuple(str(names[key]) for key in sorted(names, key=int))
        return [OutputSpec("class", labels, "utterance", "cross_entropy", layer=layer)]  # type: ignore[arg-type]
    return []


def _variants(
    config: ModelConfig, outputs: Sequence[OutputSpec], inputs: Sequence[InputSpec], from_recipe: bool
) -> list[dict[str, Any]]:
    """A LoRA model at other ranks, on all layers and on its own ones."""
    if config.lora is None:
        return []
    from soritune.models.build import count_model
    from soritune.models.config import FreezeSettings
    from soritune.models.parameter_table import parameter_table

    rows = []
    everywhere = config.lora.model_copy(update={"layers": None}), FreezeSettings()
    as_asked = config.lora, config.freeze
    limited = config.lora.layers is not None or config.freeze.layers > 0
    for rank in RANKS:
        for lora, freeze in (everywhere, as_asked) if limited else (everywhere,):
            changes = {"lora": lora.model_copy(update={"rank": rank}), "freeze": freeze}
            model = count_model(
                config.model_copy(update=changes), outputs, from_recipe=from_recipe, inputs=inputs
            )
            table = parameter_table(model)
            adapted = (model.layer_of(name) for name, _ in model.named_parameters() if ".lora_" in name)
            layers = sorted({layer for layer in adapted if layer is not None})
            row = {
                "rank": rank,
                "layers": [layers[0], layers[-1]],
                "trainable": table.trainable,
                "total": table.total,
            }
            # A saved adapter names its layers one by one, which may be all of them.
            if row not in rows:
                rows.append(row)
    return rows


def _print(info: dict[str, Any]) -> None:
    console = terminal()
    parameters = info["parameters"]
    size = f"{info['num_layers']} layers of {info['hidden_size']}, {info['frame_rate_hz']:g} frames/s"
    console.print(
        f"[bold]{escape(info['name'])}[/bold] ({info['kind']}): {info['model_type']}, {size}, "
        f"encoder {escape(info['encoder'])}",
        highlight=False,
    )
    if "bundles" in info:
        others = ", ".join(name for name in info["bundles"] if name != info["bundle"])
        console.print(
            f"bundle {escape(info['bundle'])} of the run" + (f"; also {escape(others)}" if others else ""),
            highlight=False,
        )
    parts = Table("part", title="Parameters", title_justify="left")
    for heading in ("trained", "all"):
        parts.add_column(heading, justify="right")
    for row in parameters["parts"]:
        parts.add_row(row["part"], f"{row['trainable']:,}", f"{row['total']:,}")
    parts.add_section()
    parts.add_row(
        "without heads", f"{parameters['trainable']:,}", f"{parameters['total'] - parameters['head_total']:,}"
    )
    parts.add_row("heads", f"{parameters['head_trainable']:,}", f"{parameters['head_total']:,}")
    both = parameters["trainable"] + parameters["head_trainable"]
    parts.add_row("[bold]all[/bold]", f"[bold]{both:,}[/bold]", f"[bold]{parameters['total']:,}[/bold]")
    console.print(parts)
    if not info["variants"]:
        return
    variants = Table(
        "rank", "layers", title="LoRA at other ranks (trained without heads)", title_justify="left"
    )
    for heading in ("trained", "all"):
        variants.add_column(heading, justify="right")
    for row in info["variants"]:
        first, last = row["layers"]
        variants.add_row(str(row["rank"]), f"{first}–{last}", f"{row['trainable']:,}", f"{row['total']:,}")
    console.print(variants)
