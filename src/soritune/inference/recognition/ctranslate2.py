"""A recogniser of Whisper models in the format of CTranslate2, with the library faster-whisper (extra `asr`).

https://github.com/SYSTRAN/faster-whisper, MIT. Greedy decoding is the default: it is the fastest, and its text depends
on the clip and the model alone, because nothing is drawn. Each stretch of 30 s is recognised without the text before
it, so that an error does not spread over a long recording.
"""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soritune.errors import ModelError, SorituneError, reason_of
from soritune.hub import folder_of_hub
from soritune.inference.recognition.recogniser import SAMPLE_RATE_HZ, RecognisedText, Word
from soritune.korean.hangul import composed

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

WEIGHTS, TOKENIZER = "model.bin", "tokenizer.json"
_SPEC = "WhisperSpec"
"""What the weights of a CTranslate2 folder state about their kind."""
_OF_TRANSFORMERS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_EXAMPLE = "Systran/faster-whisper-base"


class CTranslate2Recogniser:
    """Whisper, by faster-whisper. `CTranslate2Recogniser.load` opens a folder or a model of the hub.

    Args:
        model: the library's own model.
        name: of the model.
        language: that is recognised.
        beam_size: hypotheses that are followed; 1 is greedy decoding.
        compute_type: arithmetic of CTranslate2, which may change a word.
        sha256: of the weights.
    """

    def __init__(
        self,
        model: WhisperModel,
        *,
        name: str,
        language: str = "ko",
        beam_size: int = 1,
        compute_type: str = "int8",
        sha256: str | None = None,
    ) -> None:
        self.name, self.language, self.sha256 = name, language, sha256
        self.beam_size, self.compute_type = beam_size, compute_type
        self._model = model

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        language: str = "ko",
        beam_size: int = 1,
        device: str = "auto",
        compute_type: str = "int8",
    ) -> CTranslate2Recogniser:
        """Opens a model.

        Args:
            model: a CTranslate2 folder, or the name of one on the hub, which is downloaded if it is not in the cache.
            language: of the speech, as a code of Whisper: ko, en, …
            beam_size: 1 is greedy decoding.
            device: auto, cpu, cuda or cuda:1.
            compute_type: int8, float16, float32 or another one of CTranslate2.

        Raises:
            SorituneError: faster-whisper is not installed.
            ModelError: no such folder or model, one of another kind, English alone is recognised, an unknown language,
                or a device or arithmetic that is not available.
        """
        if beam_size < 1:
            raise ModelError(f"the beam size must be 1 (greedy) or more, got {beam_size}")
        library = _library()
        folder = _folder(str(model))
        place, _, index = device.partition(":")
        if index and not (index.isascii() and index.isdigit()):
            raise ModelError(f"the device '{device}' is unknown; use auto, cpu, cuda or cuda:1")
        try:
            opened = library(
                str(folder),
                device=place,
                device_index=int(index or 0),
                compute_type=compute_type,
                local_files_only=True,
            )
        except Exception as error:
            # CTranslate2 raises ValueError and RuntimeError alike for weights, devices and arithmetic.
            raise ModelError(
                f"the recogniser {model} cannot be opened ({reason_of(error)}); check the folder, the device and the "
                "compute type"
            ) from error
        _check_language(opened, str(model), language)
        name = Path(str(model)).resolve().name if Path(str(model)).is_dir() else str(model)
        with (folder / WEIGHTS).open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(
            opened,
            name=name,
            language=language,
            beam_size=beam_size,
            compute_type=compute_type,
            sha256=sha256,
        )

    def record(self) -> dict[str, Any]:
        """See `Recogniser.record`."""
        return {
            "name": self.name,
            "library": "faster-whisper",
            "sha256": self.sha256,
            "language": self.language,
            "beam_size": self.beam_size,
            "compute_type": self.compute_type,
        }

    def recognise(self, samples: NDArray[np.float32]) -> RecognisedText:
        """See `Recogniser.recognise`. No temperature is tried but 0, at which nothing is drawn.

        Raises:
            ModelError: the library fails, as without the libraries of a GPU, or memory.
        """
        try:
            stretches, _ = self._model.transcribe(
                samples,
                language=self.language,
                beam_size=self.beam_size,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
            )
            return _joined(list(stretches), len(samples) / SAMPLE_RATE_HZ)
        except RuntimeError as error:
            raise ModelError(
                f"the recogniser {self.name} failed ({reason_of(error)}); the device cpu needs no libraries of a GPU"
            ) from error

    def detect_language(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        """See `LanguageDetector.detect_language`.

        Raises:
            ModelError: the library fails.
        """
        try:
            language, probability, _ = self._model.detect_language(samples)
        except RuntimeError as error:
            raise ModelError(f"the recogniser {self.name} failed ({reason_of(error)})") from error
        return str(language), _share(probability)


def _joined(stretches: list[Any], duration_s: float) -> RecognisedText:
    """The text of all stretches, with the worst of their signs."""
    texts: list[str] = []
    words: list[Word] = []
    no_speech = compression = 0.0
    for stretch in stretches:
        texts.append(composed(stretch.text).strip())
        no_speech = max(no_speech, _share(stretch.no_speech_prob))
        compression = max(compression, float(stretch.compression_ratio))
        words += [
            Word(
                composed(word.word).strip(),
                min(float(word.start), duration_s),
                min(float(word.end), duration_s),
                _share(word.probability),
            )
            for word in stretch.words or ()
            if word.word.strip()
        ]
    return RecognisedText(" ".join(filter(None, texts)), tuple(words), duration_s, no_speech, compression)


def _share(value: float) -> float:
    """A probability; one that is not a number counts as 0."""
    return min(max(float(value), 0.0), 1.0) if math.isfinite(value) else 0.0


def _library() -> Any:
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise SorituneError("recognising words needs faster-whisper: pip install 'soritune[asr]'") from error
    return WhisperModel


def _folder(model: str) -> Path:
    """The CTranslate2 folder that is meant.

    Raises:
        ModelError: there is no such folder or model, or it is of another kind.
    """
    folder = Path(model)
    if folder.is_dir():
        _check_folder(folder)
        return folder
    if folder.is_file():
        raise ModelError(f"{model} is a file; give the CTranslate2 folder that holds {WEIGHTS}")
    if model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise ModelError(
            f"there is no folder {model}; give a CTranslate2 folder with {WEIGHTS}, or a name on the hub such as "
            f"{_EXAMPLE}"
        )
    found = folder_of_hub(
        model,
        wanted=lambda files: [file for file in files if "/" not in file and not file.startswith(".")],
        is_complete=lambda path: (path / WEIGHTS).is_file(),
    )
    _check_folder(found)
    return found


def _check_folder(folder: Path) -> None:
    """Refuses a folder that the library cannot use, or for which it would reach for the hub.

    Raises:
        ModelError: so it is.
    """
    weights = folder / WEIGHTS
    if not weights.is_file():
        if any((folder / name).is_file() for name in _OF_TRANSFORMERS):
            raise ModelError(
                f"{folder} is a folder of transformers, and recognising words needs one of CTranslate2; convert it: "
                f"ct2-transformers-converter --model {folder} --output_dir {folder}-ct2 --copy_files {TOKENIZER} "
                "preprocessor_config.json"
            )
        raise ModelError(
            f"{folder} has no {WEIGHTS}, so it is not a CTranslate2 folder; give one, or a name on the hub such as "
            f"{_EXAMPLE}"
        )
    kind = _kind_of(weights)
    if kind is None:
        raise ModelError(
            f"{weights} is not a file of CTranslate2; convert the model with ct2-transformers-converter"
        )
    if kind != _SPEC:
        raise ModelError(
            f"{folder} is a CTranslate2 model of the kind {kind}, and only a whole Whisper model ({_SPEC}), encoder "
            "and decoder, recognises words"
        )
    if not (folder / TOKENIZER).is_file():
        raise ModelError(
            f"{folder} has no {TOKENIZER}; copy the one of the model it was converted from into it"
        )


def _kind_of(weights: Path) -> str | None:
    """The name of the specification in the head of a CTranslate2 file: its version (uint32), then the length of the
    name with a final NUL (uint16) and the name, little-endian; None if the file is something else."""
    try:
        with weights.open("rb") as stream:
            _, length = struct.unpack("<IH", stream.read(6))
            name = stream.read(length)
    except (struct.error, OSError):
        return None
    if length > 100 or len(name) != length or not name.endswith(b"\0"):
        return None
    text = name[:-1]
    return text.decode("ascii") if text.isalnum() else None


def _check_language(model: Any, name: str, language: str) -> None:
    """
    Raises:
        ModelError: the model does not recognise the language.
    """
    known = list(model.supported_languages)
    if language in known:
        return
    if known == ["en"]:
        raise ModelError(
            f"the recogniser {name} recognises English alone, and the language is {language}; give multilingual "
            "weights, whose names do not end in .en"
        )
    raise ModelError(
        f"the recogniser {name} does not recognise the language '{language}'; use a code such as ko or en"
    )
