"""Options of the verbs that recognise words: the model, its language, and how it decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from soritune.inference.recognition.ctranslate2 import CTranslate2Recogniser

MODEL_HELP = "Recogniser: a CTranslate2 folder, or a name on the hub, as OWNER/NAME (extra asr)."
AsrModel = Annotated[str | None, typer.Option(help=MODEL_HELP)]
Language = Annotated[str, typer.Option(help="Language of the speech, as a code: ko, en, …")]
BeamSize = Annotated[int, typer.Option(help="Hypotheses that are followed; 1 is greedy decoding.", min=1)]
ComputeType = Annotated[str, typer.Option(help="Arithmetic of the recogniser: int8, float16, float32, …")]


def open_recogniser(
    model: str,
    *,
    language: str = "ko",
    beam_size: int = 1,
    device: str = "auto",
    compute_type: str = "int8",
) -> CTranslate2Recogniser:
    """The recogniser that the options name.

    Raises:
        SorituneError: the extra is missing, or the model cannot be opened.
    """
    from soritune.inference.recognition.ctranslate2 import CTranslate2Recogniser

    return CTranslate2Recogniser.load(
        model, language=language, beam_size=beam_size, device=device, compute_type=compute_type
    )
