"""Phones by CTC over an inventory: the pronunciation, symbol by symbol."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.korean.phones import ARPABET, KOREAN, WORD_BOUNDARY, phones_to_hangul
from soritune.metrics.edit_distance import character_counts, phone_counts, word_phone_counts
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.frame_heads import FrameOutputSettings
from soritune.tasks.labels import (
    BLANK,
    SPECIAL_TOKENS,
    UNKNOWN,
    in_spelling_of,
    rate,
    read_symbols,
    symbol_ids,
)
from soritune.tasks.notation import WrittenPhone, written_phones
from soritune.tasks.phones.language import in_language, language_mismatch
from soritune.tasks.phones.phone_tables import PHONE_RATES, phone_tables
from soritune.tasks.results import Column, Counts, Metric, Pair, Prediction, RateDescription, Section
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task

RATES = {
    **PHONE_RATES,
    "word_phone_er": RateDescription("word error rate, words written in phones", higher_is_better=False),
    "cer_pron": RateDescription(
        "character error rate of the pronunciation in Hangul", higher_is_better=False
    ),
}
ACCEPTED_FORMS = frozenset({("euI", "E"), ("euI", "I"), ("iE", "E")})
"""Expected and recognised phone of forms that the standard accepts beside the first: 의 as [ㅔ] or [ㅣ], ㅖ as [ㅔ]."""
ACCEPTED_NOTE = (
    "The phone error rate counts forms that the standard accepts too, such as 의 as [ㅔ] or [ㅣ] and ㅖ as [ㅔ], as "
    "errors; assessments accept them."
)
_HANGUL = re.compile(r"[\u1100-\u115e\u1161-\u11ff\uac00-\ud7a3]")
"""Hangul after NFKC, which converts other jamo to these; without the two fillers."""
_LATIN_WORD = re.compile(r"(?<!\S)[A-Za-z]?[a-z]+(?:'[a-z]+)?[.,!?;:]*(?!\S)")


class PhonemeConfig(FrameOutputSettings):
    """Settings of the task `phoneme`."""

    inventory: Literal["korean", "arpabet"] | tuple[str, ...] = "korean"
    """The phones: a named inventory, or the symbols themselves."""
    source: Literal["auto", "text", "phones", "perceived"] = "auto"
    """Source of a row's phones: its text by Korean G2P, or a manifest field; "auto" takes `phones` if the row has
    them and its text otherwise."""
    language: str | None = None
    """Rows in any other language (manifest field `language`) are ignored; with or without a region (`ko`, `ko-KR`).
    null takes all rows. Independently of this setting, phones are derived only from Korean text."""
    boundary: Literal["phrase", "word"] = "word"
    """Whether sound changes of the G2P cross spaces ("phrase") or not ("word": children and learners pause there
    when they read)."""
    vocabulary: tuple[str, ...] = Field(default=())
    """The model's labels in their order, blank ([PAD]) included; empty means [PAD] [UNK] | phones <s> </s>."""

    def idle_settings(self) -> dict[str, str]:
        """`boundary` if no phones are derived from texts; settings that the kind of head does not have."""
        idle = self.head.idle_settings("head")
        if self.inventory != "korean":
            return {
                **idle,
                "boundary": "with this inventory, because only Korean phones are derived from texts",
            }
        read = self.source in ("phones", "perceived")
        return {**idle, **({"boundary": f"with tasks.phoneme.source={self.source}"} if read else {})}


class PhonemeTask(Task):
    """CTC over phones; `|` separates words."""

    name: ClassVar[str] = "phoneme"
    Config: ClassVar[type[PhonemeConfig]] = PhonemeConfig
    required_fields: ClassVar[tuple[str, ...]] = ()
    hub_tag: ClassVar[str | None] = "automatic-speech-recognition"

    def __init__(self, config: PhonemeConfig) -> None:
        self.config: PhonemeConfig = config
        inventories = {"korean": KOREAN.symbols, "arpabet": ARPABET.symbols}
        self.phones: tuple[str, ...] = (
            inventories[config.inventory] if isinstance(config.inventory, str) else config.inventory
        )
        self.vocabulary: tuple[str, ...] = config.vocabulary or (
            BLANK,
            UNKNOWN,
            WORD_BOUNDARY,
            *self.phones,
            *SPECIAL_TOKENS[2:],
        )
        if BLANK not in self.vocabulary:
            raise TaskError(
                f"the phoneme vocabulary lacks the blank {BLANK}; add it at the index that the model has it at"
            )
        self._index = {symbol: i for i, symbol in enumerate(self.vocabulary)}
        self._is_korean = config.inventory == "korean"

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """One output, `phoneme`."""
        return (
            OutputSpec(
                name="phoneme",
                labels=self.vocabulary,
                resolution="frame",
                objective="ctc",
                weight=self.config.weight,
                layer=self.config.layer,  # type: ignore[arg-type]
                options={"blank": self._index[BLANK]},
                head=self.config.head.stored(),
            ),
        )

    @property
    def phone_output(self) -> str:
        """`phoneme`."""
        return "phoneme"

    @property
    def written_phones(self) -> tuple[WrittenPhone, ...]:
        """Korean phones as letters and in IPA, English phones in IPA."""
        return written_phones(self.config.inventory)

    @property
    def primary_metric(self) -> Metric:
        """Phone error rate; lower is better."""
        return Metric("per", higher_is_better=False)

    def phones_of(self, utterance: Utterance) -> list[str] | None:
        """The phones of a row with `|` between words, or None if the task ignores the row."""
        source = self.config.source
        if not in_language(utterance.language, self.config.language):
            return None
        if source == "perceived":
            return None if utterance.perceived is None else in_spelling_of(utterance.perceived, self._index)
        if utterance.phones is not None and source in ("auto", "phones"):
            return in_spelling_of(utterance.phones, self._index)
        if source != "phones" and utterance.text and not self._is_korean:
            raise TaskError(
                "only the korean inventory can be derived from text; give the manifest a phones column"
            )
        text = self.pronounced_text(utterance)
        if text is None:
            return None
        from soritune.korean.g2p import phonemize  # its rules are compiled when it is imported

        return phonemize(text, boundary=self.config.boundary)

    def pronounced_text(self, utterance: Utterance) -> str | None:
        """The text of a row whose phones are derived from it."""
        source = self.config.source
        if (
            not self._is_korean
            or source in ("phones", "perceived")
            or not utterance.text
            or (utterance.phones is not None and source == "auto")
            or not in_language(utterance.language, self.config.language)
            or _not_korean(utterance) is not None
        ):
            return None
        return utterance.text

    def missing_label_reason(self, utterance: Utterance) -> str | None:
        """A language that the task ignores, or text that is not Korean."""
        mismatch = language_mismatch(utterance.language, self.config.language)
        if mismatch is not None or self.phones_of(utterance) is not None:
            return mismatch
        from_text = self._is_korean and self.config.source in ("auto", "text") and utterance.text
        return _not_korean(utterance) if from_text else None

    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Label ids (symbols,)."""
        phones = self.phones_of(utterance)
        if phones is None:
            return {"phoneme": None}
        return {"phoneme": symbol_ids(phones, self._index, "phone")}

    def decode(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        prompt: str | None = None,
        decoder: Decoder | None = None,
    ) -> Prediction:
        """The symbols as `decoder` reads them; special tokens other than the blank are removed afterwards."""
        symbols, confidence = read_symbols(
            outputs["phoneme"], self.vocabulary, dropped=SPECIAL_TOKENS, decoder=decoder
        )
        return self.prediction_of(_trim_boundaries(symbols), confidence)

    def prediction_of(self, phones: list[str], confidence: float | None) -> Prediction:
        """A prediction of these phones, with `|` between words."""
        fields: dict[str, Any] = {"phones": phones, "confidence": confidence}
        if self._is_korean:
            fields["hangul"] = phones_to_hangul(phones)
        return Prediction(self.name, fields)

    def columns(self, prediction: Prediction) -> tuple[Column, ...]:
        """The phones, and Hangul if they are Korean."""
        phones = Column("phones", "phones")
        return (phones, Column("Hangul", "hangul")) if self._is_korean else (phones,)

    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """`{"phones": […]}`, with the text if the row has one, and `text_source` if the phones are those of recognised
        text."""
        phones = self.phones_of(utterance)
        if phones is None:
            return None
        recognised = utterance.text_source == "asr" and self.pronounced_text(utterance) is not None
        return {
            "phones": phones,
            **({"text": utterance.text} if utterance.text else {}),
            **({"text_source": "asr"} if recognised else {}),
        }

    def count(self, pair: Pair) -> Counts:
        """Edits by kind over phones (`|` left out), over words of phones, and over Hangul rebuilt from phones."""
        reference, hypothesis = pair.reference["phones"], pair.prediction.fields["phones"]
        counts = {
            "phone": phone_counts(reference, hypothesis),
            "word": word_phone_counts(reference, hypothesis),
        }
        if self._is_korean:
            counts["syllable"] = character_counts(phones_to_hangul(reference), phones_to_hangul(hypothesis))
        return {name: np.asarray(edits, dtype=np.float64) for name, edits in counts.items()}

    def errors_of(self, pair: Pair) -> tuple[int, int]:
        """Substitutions, deletions and insertions of phones, and the number of phones of the reference."""
        counts = phone_counts(pair.reference["phones"], pair.prediction.fields["phones"])
        return int(sum(counts[:3])), int(counts[3])

    def rates(self, counts: Counts) -> dict[str, float]:
        """per (with its three kinds), word_phone_er, and cer_pron for Korean; all as shares of the reference."""
        zeros = np.zeros(4)
        substitutions, deletions, insertions, total = counts.get("phone", zeros)
        word = counts.get("word", zeros)
        rates = {
            "per": rate(substitutions + deletions + insertions, total),
            "per_substitutions": rate(substitutions, total),
            "per_deletions": rate(deletions, total),
            "per_insertions": rate(insertions, total),
            "word_phone_er": rate(word[:3].sum(), word[3]),
        }
        if self._is_korean:
            syllable = counts.get("syllable", zeros)
            rates["cer_pron"] = rate(syllable[:3].sum(), syllable[3])
        return rates

    @property
    def rate_descriptions(self) -> Mapping[str, RateDescription]:
        """Descriptions of the error rates of phones, words and syllables."""
        return RATES

    def score_warnings(self, pairs: Sequence[Pair]) -> list[str]:
        """A warning if references come from recognised text."""
        count = sum(pair.reference.get("text_source") == "asr" for pair in pairs)
        if not count:
            return []
        return [
            f"The references of {count} of {len(pairs)} clips come from recognised text, whose errors count as the "
            "model's."
        ]

    def report(self, pairs: Sequence[Pair]) -> Section:
        """Weakest phones, commonest confusions, and the utterances with the most errors, aligned."""
        tables, alignments = phone_tables(
            (
                pair.id,
                _without_boundary(pair.reference["phones"]),
                _without_boundary(pair.prediction.fields["phones"]),
            )
            for pair in pairs
        )
        confusions = {(expected, recognised) for expected, recognised, _ in tables[1].rows}
        if self._is_korean and confusions & ACCEPTED_FORMS:
            first = replace(tables[0], note=f"{tables[0].note} {ACCEPTED_NOTE}")
            tables = (first, *tables[1:])
        return Section(title="Phones", tables=tables, alignments=alignments)


def _without_boundary(phones: Sequence[str]) -> list[str]:
    return [phone for phone in phones if phone != WORD_BOUNDARY]


def _not_korean(utterance: Utterance) -> str | None:
    """Why the Korean G2P should not read a row's text; None if it may.

    Text with Hangul is Korean in a row of any language. Text without Hangul may be Korean if it has numbers and a Latin
    word or two (180cm, LG TV, Wi-Fi). Three words in lower case are a sentence in another language, which the G2P would
    spell letter by letter.
    """
    text = unicodedata.normalize("NFKC", utterance.text or "")
    if _HANGUL.search(text):
        return None
    mismatch = language_mismatch(utterance.language, "ko")
    if mismatch is not None:
        return f"{mismatch} (Korean phones are derived from its text, which has no Hangul)"
    if len(_LATIN_WORD.findall(text)) >= 3:
        return f"its text '{text[:40]}' is not Korean, so its phones cannot be derived from it"
    return None


def _trim_boundaries(phones: Sequence[str]) -> list[str]:
    """The phones with `|` between words only: not at the ends, and never two in a row."""

    trimmed: list[str] = []
    for phone in phones:
        if phone != WORD_BOUNDARY or (trimmed and trimmed[-1] != WORD_BOUNDARY):
            trimmed.append(phone)
    if trimmed and trimmed[-1] == WORD_BOUNDARY:
        trimmed.pop()
    return trimmed


TASK = PhonemeTask
