"""Options of the command line that choose what reads CTC outputs: --decoder and --decoder-set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from soritune.tasks.decoding.decoder import Decoder

DecoderName = Annotated[
    str, typer.Option("--decoder", help="What reads the phones or labels of a CTC output.")
]
DecoderValues = Annotated[
    list[str] | None,
    typer.Option(
        "--decoder-set", help="KEY=VALUE of the decoder's settings; the value is YAML; may be repeated."
    ),
]


def chosen_decoder(name: str, values: Sequence[str] | None) -> Decoder:
    """The decoder that the options name.

    Raises:
        UnknownNameError: no such decoder.
        TaskError: settings that it does not take.
        ManifestError: a setting that is not of the form KEY=VALUE.
    """
    from soritune.cli.source_options import settings_of
    from soritune.tasks.decoding.decoder import decoder_kind, make_decoder

    kind = decoder_kind(name)
    kinds = {key: field.annotation for key, field in kind.Settings.model_fields.items()}
    return make_decoder({**settings_of(values, kinds, "--decoder-set"), "name": name})
