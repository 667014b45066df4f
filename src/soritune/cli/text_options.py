"""Options of the verbs that compare speech with a known text: the files, the phones and the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.errors import SorituneError

if TYPE_CHECKING:
    from soritune.corpus.unmeasured import TableColumns

SpokenFiles = Annotated[list[Path] | None, typer.Argument(help="Audio files; all have the same --text.")]
Phones = Annotated[
    str | None, typer.Option(help="Instead of --text: phones with spaces between, | between words.")
]
PhoneModel = Annotated[
    str | None,
    typer.Option("--bundle", "-b", help=f"Model folder with phones; without it, {DEFAULT_MODEL}."),
]


def check_texts(text: str | None, phones: str | None, manifest: Path | None) -> None:
    """Checks that files come with one text or phones, and a manifest with neither.

    Raises:
        SorituneError: they do not.
    """
    if manifest is not None and (text is not None or phones is not None):
        raise SorituneError("the rows of a manifest have their own texts; leave out --text and --phones")
    if manifest is None and (text is None) == (phones is None):
        raise SorituneError("give what is spoken in the files, either as --text or as --phones")
    if (text is not None and not text.strip()) or (phones is not None and not phones.split()):
        raise SorituneError("the text is empty; give what is spoken in the files")


def clips_and_model(
    audio: list[Path] | None,
    text: str | None,
    manifest: Path | None,
    splits: Path | None,
    split: str,
    root: Path | None,
    bundle: str | None,
    checkpoint: str | None,
    pcm: str | None,
    *,
    fields: Mapping[str, str] | None = None,
    report: Callable[[TableColumns], None] | None = None,
) -> tuple[Any, Path]:
    """What is aligned or assessed, and the folder of the model.

    Args:
        audio, text, manifest, splits, split, root, bundle, checkpoint, pcm: the options.
        fields: names of the manifest for utterance fields.
        report: is called with the columns of a table.
    """
    from soritune.cli.predict import without_repeats
    from soritune.run_folder import choose_bundle
    from soritune.stages.predict import default_model, find_files, reading_of, select_rows

    reading = reading_of(None, pcm, manifest)
    folder = choose_bundle(bundle or default_model(), checkpoint)
    if manifest is not None:
        rows, _ = select_rows(
            manifest, splits, split, bundles=[folder], root=root, fields=fields, report=report
        )
        return rows, folder
    spoken = {} if text is None else {"text": text}
    return [{**spoken, **reading, "audio": path} for path in without_repeats(find_files(audio or []))], folder
