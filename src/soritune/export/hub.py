"""A folder for the Hugging Face hub: the bundle's files, a full model card, thresholds of `soritune assess` where the
model has some, and an ONNX export in `onnx/`.

`stages/push_to_hub.py` uploads such a folder. What the licences of the training data forbid is refused here, before
anything is written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from soritune.bundles.calibration import KEY as CALIBRATION
from soritune.bundles.card import CARD_FILE, Bundle, file_sha256
from soritune.bundles.licences import forbidden_by, licences_of
from soritune.bundles.onnx_graph import KEY as ONNX
from soritune.bundles.onnx_graph import THRESHOLDS
from soritune.bundles.packing import unpack_bundle
from soritune.bundles.published import KEY, is_machine_path, published_card
from soritune.bundles.read import load_bundle
from soritune.bundles.speaker_norm import KEY as SPEAKER_NORM
from soritune.errors import BundleError, ManifestError
from soritune.export.exporter import Exported
from soritune.hub import check_repository_name
from soritune.inference.model_thresholds import copy_thresholds, known_thresholds
from soritune.inside_folder import path_inside
from soritune.progress import Console
from soritune.reports.hub_card import HubOptions, HubResult, hub_card
from soritune.reports.scores import Scores, load_scores
from soritune.run_folder import RunFolder, run_of
from soritune.settings import Settings
from soritune.strict_json import read_json

README = "README.md"
ADAPTER_CONFIG = "adapter_config.json"
ONNX_FOLDER = "onnx"
"""The subfolder of an ONNX export."""


class HubSettings(Settings):
    """What a published model states beside the facts of its bundle."""

    repo: str | None = None
    """`owner/name`, for the commands in the card."""
    licence: str | None = None
    """Of the weights, as the hub calls it: mit, apache-2.0, cc-by-4.0 …"""
    licence_link: str | None = None
    """Address of its text."""
    data_licence: str | None = None
    """Licence of training data for which the bundle states no licence."""
    allow_nc_nd: bool = False
    """Write the folder although a licence of the training data forbids commercial use or derivatives."""
    base_model: str | None = None
    """Name on the hub of the weights that training started from, where the bundle has the path of a folder."""
    datasets: tuple[str, ...] = ()
    """Names on the hub of the data sets that it was trained on."""
    intended_use: str | None = None
    """In place of a general sentence."""
    scores: tuple[Path, ...] = ()
    """Files with scores of this bundle, beside those of its run."""
    onnx: Path | None = None
    """Folder of `soritune export onnx` of this bundle."""
    title: str | None = Field(None, min_length=1)
    """Of the card; None takes the bundle's name."""


class HubExporter:
    """See `Exporter`."""

    settings = HubSettings

    def write(self, bundle: Bundle, folder: Path, settings: HubSettings, console: Console) -> Exported:
        """See `Exporter`.

        Raises:
            BundleError: licences that forbid it, or that are not stated; an ONNX folder in place of a bundle, one of
                another model, or one with another calibration or other thresholds; an adapter whose base others
                cannot find.
            TaskError: thresholds that cannot be read.
            ManifestError: scores that are not of this bundle.
            OutputError: a `repo` that is not a name on the hub.
        """
        _refuse_unpublishable(bundle, settings)
        if settings.repo is not None:
            check_repository_name(settings.repo)
        restrictions = _checked_licences(bundle, settings)
        results = _results(bundle, settings)
        if not results and not bundle.card.get("measured"):
            console.warning(
                "no scores of this bundle were found, so its card states that it was not judged; `soritune evaluate` "
                "writes them into its run, and --scores takes those of elsewhere"
            )
        permitted = [what for what in restrictions if what not in forbidden_by(settings.licence or "")]
        if settings.licence is not None and permitted:
            console.warning(
                f"{settings.licence} permits {' and '.join(permitted)} of the weights, and a licence of the training "
                "data forbids that"
            )
        bundle.check_files()
        card = _written_bundle(bundle, folder, settings)
        thresholds = copy_thresholds(bundle.path, folder)
        if settings.onnx is not None:
            _copy_onnx(bundle, settings.onnx, folder / ONNX_FOLDER, settings.base_model)
        card[KEY] = {"licence": settings.licence, "forbidden": restrictions}
        _write_json(folder / CARD_FILE, card)
        options = HubOptions(
            repo=settings.repo,
            licence=settings.licence,
            licence_link=settings.licence_link,
            base_model=settings.base_model,
            datasets=settings.datasets,
            intended_use=settings.intended_use,
            has_onnx=settings.onnx is not None,
            thresholds=None if thresholds is None else thresholds.name,
        )
        (folder / README).write_text(hub_card(card, results, options), encoding="utf-8")
        files = {name: path.stat().st_size for name, path in folder_files(folder)}
        lines = [f"{size:>14,}  {name}" for name, size in files.items()]
        return Exported(
            {"files": files, "results": [result.data for result in results], "forbidden": restrictions},
            (
                *lines,
                f"{sum(files.values()):>14,}  bytes; read {README}, then `soritune push-to-hub` uploads the folder",
            ),
        )


def folder_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of an exported folder by name, sorted; hidden ones and links are left out."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in parts):
            yield "/".join(parts), path


def _refuse_unpublishable(bundle: Bundle, settings: HubSettings) -> None:
    if bundle.is_onnx:
        raise BundleError(
            f"{bundle.path} is an ONNX export; give the bundle that it was made from, and this folder as --onnx"
        )
    base = str((bundle.card.get("base") or {}).get("source") or "")
    if bundle.is_adapter and is_machine_path(base) and settings.base_model is None:
        raise BundleError(
            f"{bundle.path} holds adapters for {base}, a folder that others do not have; name the base on the hub with "
            "--base-model"
        )


def _checked_licences(bundle: Bundle, settings: HubSettings) -> list[str]:
    """What the licences of the training data forbid.

    Raises:
        BundleError: a licence is not stated, or forbids something that was not allowed in the settings.
    """
    licences = licences_of(bundle.card)
    unknown = [licence.subject for licence in licences if licence.text is None]
    if unknown and settings.data_licence is None:
        raise BundleError(
            f"the licence of what {bundle.name} was trained on is not stated ({'; '.join(unknown)}); state it with "
            "--data-licence, and for the next training with data.licence (of recordings of augmentations, their "
            "setting licence)"
        )
    if not unknown and settings.data_licence is not None:
        stated = "; ".join(dict.fromkeys(str(licence.text) for licence in licences))
        raise BundleError(
            f"{bundle.name} states the licences of its training data ({stated}), so --data-licence has no effect; "
            "leave it out"
        )
    forbidding = [licence for licence in licences_of(_with_licence(bundle.card, settings)) if licence.forbids]
    if forbidding and not settings.allow_nc_nd:
        named = "; ".join(
            f"{licence.subject}: {licence.text} forbids {' and '.join(licence.forbids)}"
            for licence in forbidding
        )
        raise BundleError(
            f"{bundle.name} is not exported for publication, because of what it was trained on ({named}); if the owner "
            "permits this, or your use is covered, give --allow-nc-nd"
        )
    return sorted({what for licence in forbidding for what in licence.forbids})


def _with_licence(card: Mapping[str, Any], settings: HubSettings) -> dict[str, Any]:
    """The card with the stated licence in the place of each that is missing."""
    licence = settings.data_licence
    if licence is None:
        return dict(card)
    filled = {**card, "licence": card.get("licence") or licence}
    data = dict(card.get("data") or {})
    if data.get("recordings"):
        data["recordings"] = [
            {**origin, "licence": origin.get("licence") or licence} for origin in data["recordings"]
        ]
        filled["data"] = data
    if card.get("start"):
        filled["start"] = _filled_start(card["start"], licence)
    return filled


def _filled_start(start: Mapping[str, Any], licence: str) -> dict[str, Any]:
    filled = {**start, "licence": start.get("licence") or licence}
    return {**filled, "start": _filled_start(start["start"], licence)} if start.get("start") else filled


def _results(bundle: Bundle, settings: HubSettings) -> list[HubResult]:
    """The scores of this bundle in its run, and those that were given.

    Raises:
        ManifestError: given scores that cannot be read, or that are of another model.
    """
    sha256 = (bundle.card.get("files") or {}).get(bundle.weights_path.name)
    results = []
    run = run_of(bundle.path)
    if run is not None:
        files = RunFolder(run)
        sources = ", ".join((bundle.card.get("data") or {}).get("sources") or ()) or "its own corpus"
        for name, of_own, paths in (
            (sources, True, files.all_scores()),
            *((other.path.name, False, other.all_scores()) for other in files.evaluations()),
        ):
            for path in paths:
                scores = _readable_scores(path)
                if scores is not None and _is_of(scores, sha256):
                    results.append(_result(name, scores, of_own=of_own))
                    break  # the one without a suffix; others have another decoder, or lack inputs
    for path in settings.scores:
        scores = load_scores(path)
        if not _is_of(scores, sha256):
            raise ManifestError(
                "has scores of another model than this bundle (the sha256 of the weights differs); give scores of its "
                "own predictions",
                path=path,
            )
        results.append(_result(path.resolve().parent.name if path.is_file() else path.resolve().name, scores))
    return results


def _result(name: str, scores: Scores, *, of_own: bool = False) -> HubResult:
    split = scores.header.data.split
    title = f"{name}, split {split}" if split else name
    return HubResult(f"{title} (synthetic speech)" if scores.synthetic else title, scores, of_own)


def _readable_scores(path: Path) -> Scores | None:
    try:
        return load_scores(path)
    except ManifestError:  # of another version, or damaged
        return None


def _is_of(scores: Scores, sha256: str | None) -> bool:
    models = scores.header.models or (scores.header.model,)
    return sha256 is not None and [model.sha256 for model in models] == [sha256]


def _written_bundle(bundle: Bundle, folder: Path, settings: HubSettings) -> dict[str, Any]:
    """Copies the bundle's files, int8 weights as float32; returns the card to write."""
    if bundle.is_int8:
        card: dict[str, Any] = dict(unpack_bundle(bundle.path, folder).card)
    else:
        card = dict(bundle.card)
        for name in card.get("files") or ():
            target = path_inside(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path_inside(bundle.path, name, links=True), target)
    card = published_card(_with_licence(card, settings), base=settings.base_model)
    if settings.title is not None:
        card["name"] = settings.title
    if (folder / ADAPTER_CONFIG).is_file():
        config = read_json(folder / ADAPTER_CONFIG)
        if is_machine_path(str(config.get("base_model_name_or_path") or "")):
            _write_json(
                folder / ADAPTER_CONFIG, {**config, "base_model_name_or_path": card["base"]["source"]}
            )
            card["files"] = {**card["files"], ADAPTER_CONFIG: file_sha256(folder / ADAPTER_CONFIG)}
    return card


def _copy_onnx(bundle: Bundle, source: Path, target: Path, base: str | None) -> None:
    """Copies an ONNX export.

    Raises:
        BundleError: it is not one, is of another model, or has another calibration or other thresholds.
        TaskError: its thresholds cannot be read.
    """
    exported = load_bundle(source)
    if not exported.is_onnx:
        raise BundleError(f"{source} is not an ONNX export; write one with `soritune export onnx`")
    same = ("outputs", "training", "seed", "preprocessing")
    differing = [key for key in same if exported.card.get(key) != bundle.card.get(key)]
    if differing:
        raise BundleError(
            f"{source} was exported from another model than {bundle.path} (their cards differ in "
            f"{', '.join(differing)}); export this bundle"
        )
    if exported.onnx_graph.source != file_sha256(bundle.weights_path):
        raise BundleError(
            f"{source} was exported from other weights than those of {bundle.path} (their sha256 differs); export this "
            "bundle"
        )
    _refuse_outdated(bundle, exported)
    exported.check_files()
    for name, path in folder_files(exported.path):
        if name != README:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
    _write_json(target / CARD_FILE, published_card(exported.card, base=base))


def _refuse_outdated(bundle: Bundle, exported: Bundle) -> None:
    """
    Raises:
        BundleError: the bundle was calibrated, or got thresholds, after it was exported, so that the two folders would
            give different answers for one recording.
        TaskError: thresholds that cannot be read.
    """
    changed = [
        name
        for key, name in (
            (CALIBRATION, "calibration"),
            (SPEAKER_NORM, "statistics for normalisation per speaker"),
            ("tasks", "settings of the tasks"),
        )
        if exported.card.get(key) != bundle.card.get(key)
    ]
    # Without this fact, the folder has thresholds of its own, such as those chosen for int8.
    if exported.card[ONNX].get(THRESHOLDS) and known_thresholds(exported.path) != known_thresholds(
        bundle.path
    ):
        changed.append("thresholds of `soritune assess`")
    if changed:
        raise BundleError(
            f"{exported.path} and {bundle.path} have the same weights and differ in: {', '.join(changed)}; export the "
            "bundle to ONNX again, so that both give the same answers"
        )


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


EXPORTER = HubExporter()
