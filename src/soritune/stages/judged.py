"""What an evaluation judges, and where its results go: a model, its rows, and the files. Next: `stages/evaluate.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soritune.bundles.packaged import resolve_model_folder
from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest
from soritune.errors import BundleError, OutputError, SplitError, TaskError
from soritune.inference.predictions import Row
from soritune.run_folder import START, RunFolder, bundle_names, choose_bundle, is_run, run_of
from soritune.stages.judged_data import prepared_rows, unusable_rows
from soritune.stages.predict import describe_rows, select_rows
from soritune.tasks.decoding.decoder import GREEDY, Decoder
from soritune.tasks.task import label_fields


@dataclass(frozen=True, slots=True)
class JudgedModel:
    """The bundle that is judged."""

    bundle: Path
    run: RunFolder | None
    """The run that it is part of."""

    @classmethod
    def find(cls, target: Path | str, checkpoint: str | None) -> JudgedModel:
        """The bundle `checkpoint` of a run folder, or a bundle by its folder or name.

        Raises:
            BundleError, UnknownNameError: as `choose_bundle`.
        """
        folder = resolve_model_folder(target)
        bundle = choose_bundle(folder, checkpoint)
        run = folder if is_run(folder) else run_of(bundle)
        return cls(bundle, None if run is None else RunFolder(run))

    @property
    def card(self) -> Mapping[str, Any]:
        """The bundle's card."""
        return load_bundle(self.bundle).card

    @property
    def results(self) -> RunFolder:
        """The folder that results go to by default: the run, or the current folder."""
        return RunFolder(Path()) if self.run is None else self.run

    def label_field(self) -> str:
        """The manifest column that a list of labels is for.

        Raises:
            TaskError: no task of the model has one label for an utterance.
        """
        tasks = load_bundle(self.bundle).tasks
        fields = label_fields(tasks)
        if not fields:
            names = ", ".join(task.name for task in tasks)
            raise TaskError(
                f"labels would be left unused: no task of the model has one label for an utterance (tasks: {names}); "
                "give texts, or a Manifest with what the tasks need as data"
            )
        return fields[0]

    def checkpoint_suffix(self) -> str:
        """`-<bundle>` unless the run is judged by this bundle: the best, or the one that its recipe names."""
        if self.run is None:
            return ""
        name = self._evaluate_settings().get("checkpoint", "best")
        named = name in bundle_names(self.run.path)
        chosen = self.run.bundle(name) if named else choose_bundle(self.run.path)
        return "" if self.bundle.samefile(chosen) else f"-{self.bundle.resolve().name}"

    def decoder_suffix(self, decoder: Decoder) -> str:
        """`-<decoder>` unless the model's recipe names this decoder with the same settings."""
        named = self._evaluate_settings().get("decoder", GREEDY)
        settings = dict(named) if isinstance(named, Mapping) else {"name": named}
        if settings.pop("name", None) == decoder.name:
            try:
                if decoder.Settings.model_validate(settings) == decoder.settings:
                    return ""
            except ValidationError:  # settings of another version
                pass
        return f"-{decoder.name}"

    def reading_suffix(self, decoder: Decoder, withhold: Sequence[str]) -> str:
        """The suffix of the decoder, and `-without-<input>` for each input that is withheld."""
        return self.decoder_suffix(decoder) + "".join(f"-without-{name}" for name in withhold)

    def is_declared_synthetic(self) -> bool:
        """Whether the recipe of the model's run marks its corpus as synthetic (`data.synthetic`)."""
        return bool(((self.card.get("recipe") or {}).get("data") or {}).get("synthetic"))

    def _evaluate_settings(self) -> Mapping[str, Any]:
        """The part `evaluate` of the recipe that the model was trained with; empty if the card has no recipe."""
        return (self.card.get("recipe") or {}).get("evaluate") or {}


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """The files that an evaluation writes."""

    folder: Path
    predictions: Path
    scores: Path
    report: Path
    text_report: Path

    @classmethod
    def named(cls, folder: RunFolder, *, split: str, split_suffix: str, suffix: str) -> ResultFiles:
        """The files in `folder`.

        Args:
            folder: of the results.
            split: of the predictions.
            split_suffix: added to the other names, for another split than the test split.
            suffix: added to all names, for another bundle or decoder than the one that the run is judged by, and for
                inputs that are withheld.
        """
        return cls(
            folder.path,
            folder.predictions(split + suffix),
            folder.scores(split_suffix + suffix),
            folder.report(split_suffix + suffix),
            folder.text_report(split_suffix + suffix),
        )

    def marked(self, suffix: str) -> ResultFiles:
        """The files with a suffix in their names."""
        paths = (self.predictions, self.scores, self.report, self.text_report)
        return ResultFiles(self.folder, *(path.with_stem(f"{path.stem}{suffix}") for path in paths))

    def to_json(self) -> dict[str, str]:
        """Their paths, as under "files" of an `Evaluation`."""
        return {
            "predictions": str(self.predictions),
            "scores": str(self.scores),
            "report": str(self.report),
            "text": str(self.text_report),
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """A model, the rows it is judged on, and where the results go."""

    model: JudgedModel
    rows: Manifest
    data: dict[str, Any]
    """What the header of the predictions file states about the rows."""
    files: ResultFiles
    unusable: tuple[Row, ...] = ()
    """Rows of the corpus that could not be read; they count as failed."""
    before: Path | None = None
    """Scores of the same rows before the run's fine-tuning, if they were judged."""
    updates_card: bool = False
    """Whether the model card gets these scores: a run's own test split, judged as its recipe does."""

    def normalised(self, rows: Manifest, clips: int) -> Judged:
        """The same with the `rows` that remain without the enrolment clips, and with names that state their number."""
        files = self.files.marked(f"-speaker-norm-{clips}")
        return replace(self, rows=rows, files=files, before=None, updates_card=False)


def judge_run(
    model: JudgedModel,
    split: str,
    *,
    splits: Path | None,
    output: Path | None,
    root: Path | str | None,
    decoder: Decoder,
    withhold: Sequence[str] = (),
) -> Judged:
    """A split of the model's own run.

    Raises:
        BundleError: the model is not part of a run.
        SplitError: no such split, or nothing in it.
    """
    run = model.run
    if run is None:
        raise BundleError(
            f"{model.bundle} is not part of a run folder, so there is nothing to judge it on; give --manifest"
        )
    manifest = run.checked if run.checked.exists() else run.manifest
    rows, data = select_rows(
        manifest,
        None if split == "all" else splits or run.splits,
        split,
        bundles=[model.bundle],
        root=root,
    )
    if model.is_declared_synthetic():
        data["synthetic"] = True
    into_run = output is None or output.resolve() == run.path.resolve()
    checkpoint, reading = (
        (model.checkpoint_suffix(), model.reading_suffix(decoder, withhold)) if into_run else ("", "")
    )
    split_suffix = _split_suffix(split)
    files = ResultFiles.named(
        RunFolder(output or run.path),
        split=data["split"],
        split_suffix=split_suffix,
        suffix=checkpoint + reading,
    )
    is_start = model.bundle.resolve().name == START
    before = run.scores(f"{split_suffix}-{START}{reading}") if into_run and not is_start else None
    updates_card = into_run and not split_suffix and not reading
    return Judged(model, rows, data, files, before=before, updates_card=updates_card)


def judge_manifest(
    model: JudgedModel,
    manifest: Path,
    split: str,
    *,
    splits: Path | None,
    output: Path | None,
    root: Path | str | None,
    decoder: Decoder,
    withhold: Sequence[str] = (),
) -> Judged:
    """A manifest instead of the run's own, or a split of it.

    Raises:
        SplitError: no such split, or nothing in it.
    """
    if splits is None and split not in ("test", "all"):
        raise SplitError(f"'{split}' of {manifest} is unknown; name its splits file with --splits")
    rows, data = select_rows(manifest, splits, split, bundles=[model.bundle], root=root)
    name = model.bundle.name if model.run is None else manifest.stem
    files = ResultFiles.named(
        model.results.evaluation(name) if output is None else RunFolder(output),
        split=data["split"],
        split_suffix="" if splits is None else _split_suffix(split),
        suffix=""
        if output is not None
        else model.checkpoint_suffix() + model.reading_suffix(decoder, withhold),
    )
    return Judged(model, rows, data, files)


def judge_data(
    model: JudgedModel,
    data: Manifest | Path | str,
    *,
    source: str | None,
    settings: Mapping[str, Any] | None,
    output: Path | None,
    decoder: Decoder,
    withhold: Sequence[str] = (),
) -> Judged:
    """Rows in memory, or a corpus that is read here.

    Raises:
        OutputError: `output` is a run, whose manifest would be replaced.
        BundleError, ManifestError: as `prepared_rows`.
    """
    if output is not None and is_run(output):
        raise OutputError(f"{output} is a run, whose own manifest would be replaced; choose another --output")
    name = "lists" if isinstance(data, Manifest) else Path(data).resolve().stem
    folder = model.results.evaluation(name) if output is None else RunFolder(output)
    unusable: list[Row] = []
    if isinstance(data, Manifest):
        rows = data
    else:
        rows, quarantined = prepared_rows(data, folder.path, model.card, source=source, settings=settings)
        unusable = unusable_rows(quarantined)
    header = describe_rows(rows, rows, [model.bundle])
    files = ResultFiles.named(
        folder,
        split=header["split"],
        split_suffix="",
        suffix=""
        if output is not None
        else model.checkpoint_suffix() + model.reading_suffix(decoder, withhold),
    )
    return Judged(model, rows, header, files, tuple(unusable))


def _split_suffix(split: str) -> str:
    return "" if split == "test" else f"-{split}"
