"""L2-ARCTIC: 24 learners of English, 150 utterances of each with mispronunciations annotated by hand, as TextGrids.

    ROOT/<speaker>/wav/arctic_a0001.wav
    ROOT/<speaker>/transcript/arctic_a0001.txt
    ROOT/<speaker>/annotation/arctic_a0001.TextGrid      tiers words and phones

A phone is written alone if it was pronounced as it should be, else as `canonical,perceived,kind` with the kind `s`
(another phone), `d` (left out; perceived `sil`) or `a` (added; canonical `sil`). `canonical` and `perceived` are
aligned, `sil` stands for no phone, and the labels are C, S, D and I (inserted). `phones` are those perceived, without
the `sil` of a deletion and with repeated silences as one. Phones are lower case without stress; a mark such as `*`
(nearly this phone) is dropped. Gender and first language are those that the corpus's makers publish.

CC BY-NC 4.0, from its makers (Zhao et al., Interspeech 2018). Known faults: stray signs in labels, a few damaged
TextGrids, labels of two parts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soritune.corpus.reading.corpus_files import listing, read_file
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.folder_walk import walk_folders
from soritune.corpus.reading.outcomes import Outcome, ReadingError, Rejected, Skipped
from soritune.corpus.reading.text_encoding import decode_text
from soritune.corpus.reading.textgrids import Interval, TextGridFile
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader
from soritune.corpus.sources.source import Source
from soritune.errors import ManifestError, reason_of

SPEAKERS = {
    "ar": {"ABA": "m", "SKA": "f", "YBAA": "m", "ZHAA": "f"},
    "zh": {"BWC": "m", "LXC": "f", "NCC": "f", "TXHC": "m"},
    "hi": {"ASI": "m", "RRBI": "m", "SVBI": "f", "TNI": "f"},
    "ko": {"HJK": "f", "HKK": "m", "YDCK": "f", "YKWK": "m"},
    "es": {"EBVS": "m", "ERMS": "m", "MBMPS": "f", "NJS": "f"},
    "vi": {"HQTV": "m", "PNV": "f", "THV": "f", "TLV": "m"},
}
"""First language → speaker → gender."""
GAP = "sil"
_SILENCES = ("", "sil", "sp", "spn")
_LABELS = {"s": "S", "d": "D", "a": "I"}
_ANNOTATION, _WAV, _TRANSCRIPT = "annotation", "wav", "transcript"


class L2ArcticConfig(ReaderConfig):
    """How the corpus is read."""

    unannotated: bool = False
    """Also read recordings without an annotation, with their text alone."""
    language: str | None = "en"
    """Language of the corpus."""


@dataclass
class Annotation:
    """The phones of one utterance, aligned."""

    canonical: list[str] = field(default_factory=list)
    perceived: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    @property
    def phones(self) -> list[str]:
        """The phones that were perceived; repeated silences are one."""
        spoken = [p for p, label in zip(self.perceived, self.labels, strict=True) if label != "D"]
        return [p for index, p in enumerate(spoken) if p != GAP or index == 0 or spoken[index - 1] != GAP]


def read_corpus(root: Path, config: L2ArcticConfig) -> Iterator[Outcome]:
    """Yields the utterances, speaker by speaker.

    Raises:
        ManifestError: no folder with recordings and annotations.
        SorituneError: praatio is not installed.
    """
    values = ValueReader.of(config, "L2-ARCTIC", config.language)
    known = {name: (gender, l1) for l1, names in SPEAKERS.items() for name, gender in names.items()}
    seen = False
    for folder in walk_folders(root, archives=True):
        yield from folder.outcomes
        if _ANNOTATION not in folder.folders or _WAV not in folder.folders:
            continue
        seen = True
        folder.folders.clear()
        speaker = folder.path.resolve().name.removesuffix(".zip")
        gender, l1 = known.get(speaker, (None, None))
        given = {"speaker": speaker, "gender": gender, "first_language": l1}
        yield from _speaker_rows(folder.path, folder.relative, given, values, config)
    if not seen:
        raise ManifestError(f"holds no folder with {_ANNOTATION} and {_WAV} of one speaker", path=root)


def _speaker_rows(
    folder: Path, relative: str, speaker: dict[str, str | None], values: ValueReader, config: L2ArcticConfig
) -> Iterator[Outcome]:
    prefix = f"{relative}/" if relative else ""
    audio = {os.path.splitext(name)[0]: name for name in listing(folder / _WAV).files}
    grids = {
        os.path.splitext(name)[0]: name
        for name in listing(folder / _ANNOTATION).files
        if name.lower().endswith(".textgrid")
    }
    for stem in sorted({*audio, *grids}):
        name = f"{speaker['speaker']}-{stem}"
        location = f"{prefix}{_ANNOTATION}/{grids.get(stem, '')}"
        if stem not in audio:
            yield Rejected(location, "has no recording of its name", name, kind="recording-missing")
            continue
        path = f"{prefix}{_WAV}/{audio[stem]}"
        if stem not in grids and not config.unannotated:
            yield Skipped(
                "recording without annotation (read with unannotated=true)", 1, path, kind="label-missing"
            )
            continue
        if stem not in grids:
            config._matched.add(("unannotated", ""))
        try:
            given: dict[str, Any] = {**speaker, "text": _transcript(folder, stem), "script_id": stem}
            if stem in grids:
                grid = TextGridFile(folder / _ANNOTATION / grids[stem])
                annotation = read_phones(grid.tier("phones"))
                given |= {
                    "canonical": annotation.canonical,
                    "perceived": annotation.perceived,
                    "error_labels": annotation.labels,
                    "phones": annotation.phones,
                }
            yield values.utterance(given, name=name, audio=path, extra={})
        except FieldValueError as error:
            yield Rejected(path, f"{location}: {error}", name, kind=error.kind)
        except ReadingError as error:
            yield Rejected(path, f"{location}: {error}", name, kind=error.kind)


def read_phones(tier: Iterator[Interval]) -> Annotation:
    """The phones of a tier.

    Raises:
        ReadingError: a label is not a phone or CANONICAL,PERCEIVED,KIND.
    """
    result = Annotation()
    for interval in tier:
        parts = [part.strip() for part in interval.text.split(",")]
        if len(parts) == 1:
            canonical = perceived = _phone(parts[0])
            label = "C"
        elif len(parts) == 3 and parts[2].lower() in _LABELS:
            canonical, perceived, label = _phone(parts[0]), _phone(parts[1]), _LABELS[parts[2].lower()]
            fits = {"S": GAP not in (canonical, perceived), "D": canonical != GAP, "I": perceived != GAP}[
                label
            ]
            if not fits:
                raise ReadingError("phone-label", f"{interval.times}: '{interval.text}' lacks a phone")
            if label != "S":
                canonical, perceived = (canonical, GAP) if label == "D" else (GAP, perceived)
        else:
            raise ReadingError(
                "phone-label",
                f"{interval.times}: '{interval.text}' is neither a phone nor CANONICAL,PERCEIVED,KIND (s, d or a)",
            )
        result.canonical.append(canonical)
        result.perceived.append(perceived)
        result.labels.append(label)
    return result


def _phone(text: str) -> str:
    """A phone in lower case without stress and other signs; `sil` for silence."""
    plain = re.sub(r"[^a-z]", "", text.lower())
    return GAP if plain in _SILENCES else plain


def _transcript(folder: Path, stem: str) -> str | None:
    file = folder / _TRANSCRIPT / f"{stem}.txt"
    try:
        return " ".join(decode_text(read_file(file)).split())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReadingError("text-unreadable", f"{file.name} cannot be read ({reason_of(error)})") from error


SOURCE = Source(
    L2ArcticConfig,
    read_corpus,
    "L2-ARCTIC as released: wav, transcript, annotation (TextGrid) of each speaker",
)
