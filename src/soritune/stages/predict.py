"""Rows or files, and models, to predictions. Next: `stages/evaluate.py`, which also scores them.

What a model is run on is found here, for `soritune predict` and for `evaluate` alike; the model itself is
`inference/predictor.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soritune.audio.channels import CHANNEL_NAMES, EACH
from soritune.audio.files import SUFFIXES, as_on_disk, find_audio
from soritune.audio.pcm import PcmFormat
from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.bundles.packaged import packaged_models
from soritune.bundles.read import is_bundle
from soritune.errors import AudioError, BundleError, ManifestError, SplitError
from soritune.inference.clips import clips_of, clips_of_rows
from soritune.inference.origin import make_header
from soritune.inference.predictions import Row, write_predictions
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.alongside import predict_with_text
from soritune.inference.recognition.recogniser import Recogniser
from soritune.part_file import blocks_of
from soritune.progress import SILENT, Console
from soritune.reports.csv_tables import RowFacts
from soritune.run_folder import is_run, rows_seen
from soritune.stages.cluster_prediction import ClusterPrediction, remove_parts
from soritune.stages.finished_rows import FILES_AT_ONCE, FinishedRows
from soritune.tasks.inputs.input import values_in_row

if TYPE_CHECKING:
    from soritune.corpus.manifest import Manifest
    from soritune.corpus.unmeasured import TableColumns


def default_model() -> str:
    """Name of the model of the package that is used when none is named.

    Raises:
        BundleError: this installation comes without it.
    """
    if DEFAULT_MODEL not in packaged_models():
        raise BundleError("no model was given; name a bundle or run folder with --bundle")
    return DEFAULT_MODEL


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The audio files that are meant: files as they are, and all audio files below folders.

    Raises:
        AudioError: a manifest or a model among the paths, no path that exists, or a folder without audio.
    """
    model = next((path for path in paths if is_bundle(path) or is_run(path)), None)
    if model is not None:
        raise AudioError(model, f"is a model, not audio; give it as --bundle {model}")
    if not any(as_on_disk(path).exists() for path in paths):
        raise AudioError(paths[0], "does not exist; give audio files or folders that exist")
    files: list[Path] = []
    for path in paths:
        if path.suffix.lower() in (".jsonl", ".parquet") and path.is_file():
            raise AudioError(path, f"is not audio; if it is a manifest, give it as --manifest {path}")
        inside = find_audio(path) if as_on_disk(path).is_dir() else [path]
        if not inside:
            raise AudioError(path, f"holds no audio file; known suffixes: {', '.join(sorted(SUFFIXES))}")
        files.extend(inside)
    return files


def reading_of(channel: str | None, pcm: str | None, manifest: Path | None) -> dict[str, Any]:
    """How files are read, as keys of a request (`inference/clips.py`).

    Args:
        channel: a number from 0, left, right or each.
        pcm: the format of headerless files.
        manifest: the manifest whose rows are predicted instead of files.

    Raises:
        AudioError: rows of a manifest are predicted, which state it themselves; `channel` is another text, or `pcm` is
            not a format.
    """
    given: dict[str, Any] = {"channel": channel, "pcm": pcm}
    reading = {name: value for name, value in given.items() if value is not None}
    if reading and manifest is not None:
        raise AudioError(
            manifest,
            f"its rows state how they are read; leave out --{' and --'.join(reading)}, which are for files",
        )
    if channel is not None:
        if channel.isascii() and channel.isdigit():
            reading["channel"] = int(channel)
        elif channel not in (*CHANNEL_NAMES, EACH):
            raise AudioError("--channel", f"must be left, right, each or a number from 0, not '{channel}'")
    if pcm is not None:
        try:
            PcmFormat.parse(pcm)
        except ValueError as error:
            raise AudioError("--pcm", str(error)) from error
    return reading


def select_rows(
    manifest: Path | str,
    splits: Path | None,
    split: str,
    *,
    bundles: Iterable[Path],
    root: Path | str | None = None,
    fields: Mapping[str, str] | None = None,
    report: Callable[[TableColumns], None] | None = None,
) -> tuple[Manifest, dict[str, Any]]:
    """The rows of one split of a manifest, and what the header of a predictions file states about them.

    Args:
        manifest: its file, or a list or table whose recordings give the lengths.
        splits: the splits file; None takes all rows, as the split "all".
        split: train, val, test or all.
        bundles: the models that will predict them.
        root: where relative audio paths start, instead of what the manifest states.
        fields: utterance field → the name of its column, where it has no usual one.
        report: is called with the columns of a table.

    Raises:
        ManifestError, SplitError: a file cannot be read, or there is no such row.
    """
    from soritune.corpus.splitting.splits import load_splits
    from soritune.corpus.unmeasured import load_rows

    rows = load_rows(manifest, root=root, fields=fields, report=report)
    if splits is None:
        chosen, policy = rows, {}
    else:
        decided = load_splits(splits)
        chosen = rows.select(decided.indices(rows, split))
        policy = {"split": split, "policy": dict(decided.policy), "of_rows": len(rows)}
    if not len(chosen):
        raise SplitError(
            f"the split '{split if policy else 'all'}' of {manifest} has no utterance; choose another with --split"
        )
    return chosen, describe_rows(rows, chosen, bundles) | policy


def facts_of_rows(manifest: Manifest, data: Mapping[str, Any]) -> RowFacts:
    """What a table of predictions states about the rows of a manifest.

    Args:
        manifest: the rows that are predicted.
        data: of the header, as `select_rows` gives it.
    """
    names = dict.fromkeys(
        name
        for clip in clips_of_rows(manifest, {"split": data["split"]} if "split" in data else None)
        for name in clip.groups
    )
    texts = ((row.id, row.text) for row in manifest.utterances())
    return RowFacts([name for name in names if name != "speaker"], texts)


def describe_rows(manifest: Manifest, chosen: Manifest, bundles: Iterable[Path]) -> dict[str, Any]:
    """What the header of a predictions file states about the rows `chosen` of a manifest.

    "seen" has the number of rows that the bundles were trained on or chosen by, if their runs are known.
    """
    import pyarrow.compute as pc

    seen = rows_seen(bundles, chosen)
    return {
        "manifest_hash": manifest.hash,
        "split": "all",
        "root": str(manifest.root.resolve()),
        "synthetic": bool(pc.any(pc.equal(chosen.column("source"), "synthetic")).as_py()),
        **({} if seen is None else {"seen": seen}),
    }


def predict_rows(
    predictor: Predictor,
    items: Any,
    output: Path | None,
    *,
    data: dict[str, Any],
    unusable: Iterable[Row] = (),
    earlier: Iterable[Row] = (),
    finished: FinishedRows | None = None,
    watch: Callable[[Iterable[Row]], Iterable[Row]] = iter,
    recogniser: Recogniser | None = None,
    cluster: ClusterPrediction | None = None,
    header_beside: bool = False,
    console: Console = SILENT,
) -> None:
    """Predicts and writes a predictions file.

    Args:
        predictor: the models.
        items: what `Predictor.predict` takes, with a length.
        output: the file; None writes none.
        data: of the header, as `select_rows` gives it.
        unusable: rows with errors that are added at the end.
        earlier: rows of an earlier call, which come first.
        finished: keeps the new rows on the disk until the output is written; `items` are files or requests then.
        watch: sees every row as it is made, and passes it on.
        recogniser: adds the recognised text of each clip to its row, and gives it to inputs that read a text and have
            no other.
        cluster: predicts there instead of here, which needs an output; `predictor` then only states what the header
            has.
        header_beside: write the header into a file of its own, so that every line of the file is a row.
        console: where the progress bar is shown; nothing is shown by default.

    Raises:
        OutputError: the file cannot be written.
        ManifestError: an input is withheld that no row has.
    """
    if predictor.withheld:
        from soritune.corpus.manifest import Manifest

        if isinstance(items, Manifest):
            _refuse_idle_withholding(predictor, items)
    groups = {"split": data["split"]} if "split" in data else None
    header = None if output is None else make_header(predictor, data, recogniser)
    with console.bar("predict", len(items), lines=True) as bar:
        if cluster is not None:
            assert output is not None
            assert header is not None
            settings = {key: value for key, value in header.to_json().items() if key != "created"}
            predicted = cluster.rows(
                clips_of(items, groups), output, (settings, predictor.times), bar.advance
            )
        else:
            parts = [items] if finished is None else blocks_of(items, FILES_AT_ONCE)
            predicted = chain.from_iterable(
                predictor.predict(part, groups=groups, progress=bar.advance)
                if recogniser is None
                else predict_with_text(predictor, recogniser, part, groups=groups, progress=bar.advance)
                for part in parts
            )
        if finished is not None:
            predicted = finished.watch(predicted, items)
        rows = watch(chain(earlier, predicted, unusable))
        if output is not None and header is not None:
            write_predictions(output, header, rows, header_beside=header_beside)
            if cluster is not None:
                remove_parts(output)
            if finished is not None:
                finished.delete()
        else:
            for _ in rows:
                pass


def _refuse_idle_withholding(predictor: Predictor, rows: Manifest) -> None:
    for spec in predictor.inputs:
        if spec.name in predictor.withheld and not any(values_in_row([spec], row) for row in rows):
            raise ManifestError(
                f"no row has a value of '{spec.name}', so withholding it has no effect; leave it out",
                path=rows.path,
            )
