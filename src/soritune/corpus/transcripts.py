"""Transcripts with annotation: a setting of every source removes it, and what is left of it is counted and reported.

Every source is read through `read_outcomes`, which applies `transcript` and its companions
(`corpus/reading/source_config.py`). `korean/transcript.py` has the marks themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from soritune.corpus.idle_settings import IdleSettings
from soritune.corpus.reading.missing_values import MissingValues
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.sources.source import Source
from soritune.corpus.unread_text import UnreadCount, text_to_pronounce
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.korean.transcript import Kind, clean_transcript, find_marks, hides_words, notation_for, one_side

_QUOTED = 3
_EARLY = 5000
"""After this many texts a corpus is refused at once if most of them have marks, before its audio is read."""


@dataclass
class MarkCount:
    """How many texts have annotation in them, and which."""

    texts: int = 0
    marked: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    kinds: set[Kind] = field(default_factory=set)
    first: str = ""
    """The first text with a mark."""

    def add(self, text: str | None) -> None:
        """Counts one text."""
        if not text:
            return
        self.texts += 1
        marks = find_marks(text)
        if marks:
            self.marked += 1
            self.marks.update(list(dict.fromkeys(mark.text for mark in marks)))
            self.kinds.update(mark.kind for mark in marks)
            self.first = self.first or text

    @property
    def sentence(self) -> str:
        """How many texts have marks, the commonest marks, and the setting that removes them."""
        quoted = ", ".join(f"'{mark}' ({count:,})" for mark, count in self.marks.most_common(_QUOTED))
        return (
            f"{self.marked:,} of {self.texts:,} texts have transcript marks, such as {quoted}, which would be read "
            f"aloud as words; prepare the corpus with {self.setting} (prepare --set, in a recipe "
            f"data.config.{self.setting})"
        )

    @property
    def setting(self) -> str:
        """The setting of a source that removes these marks."""
        return f"transcript={notation_for(self.kinds)}"

    def refuse_above(self, share: float, path: Path | None = None, setting: float | None = None) -> None:
        """Refuses a corpus of which more than `share` of the texts have marks; `setting` is that of the user, if it
        is another.

        Raises:
            ManifestError: there are more; the message names the settings.
        """
        if self.texts and self.marked / self.texts > share:
            allowed = share if setting is None else setting
            raise ManifestError(
                f"{self.sentence}, or allow them with max_marked_share=1 (data.config.max_marked_share, check "
                f"--max-marked-share; it is {allowed:g})",
                path=path,
                field="text",
            )


def read_outcomes(source: Source, root: Path, config: SourceConfig) -> Iterator[Outcome]:
    """The outcomes of a source, with transcripts as its settings request; at the end notes on them, and on settings
    without effect.

    Raises:
        ManifestError: more texts than `max_marked_share` still have marks, or most of the first 5,000.
        SorituneError: as `Source.read`.
    """
    config._missing = MissingValues(config.missing)
    cleaner, idle = _Cleaner(config), IdleSettings(config)
    for outcome in source.read(root, config):
        if isinstance(outcome, Utterance):
            idle.add(outcome)
        if isinstance(outcome, Utterance) and outcome.text:
            outcome = cleaner.outcome(outcome)
            if cleaner.left.texts == _EARLY:
                # Halfway between the share and all: the rest of the corpus may have fewer marks.
                cleaner.left.refuse_above((1 + config.max_marked_share) / 2, root, config.max_marked_share)
            if isinstance(outcome, Utterance):
                cleaner.unread.add(text_to_pronounce(outcome))
        yield outcome
    yield from cleaner.notes()
    yield from config._missing.notes("which counts as no value; missing=[] keeps it")
    yield from idle.notes()
    cleaner.left.refuse_above(config.max_marked_share, root)


@dataclass
class _Cleaner:
    """Cleans the texts of one corpus."""

    config: SourceConfig
    left: MarkCount = field(default_factory=MarkCount)
    """Marks that are in the texts after cleaning."""
    unread: UnreadCount = field(default_factory=UnreadCount)
    """Characters without a reading in the texts after cleaning."""
    changed: int = 0
    """Texts that lost annotation, or whose rows were rejected because of it."""
    emptied: int = 0
    first_emptied: str = ""

    def outcome(self, utterance: Utterance) -> Outcome:
        """The utterance with a clean text, or why it cannot be used."""
        config, text = self.config, utterance.text or ""
        if config.transcript == "plain":
            self.left.add(text)
            return utterance
        if config.hidden_words == "reject" and hides_words(one_side(text, config.transcript_side)):
            self.changed += 1
            reason = f"its text hides words that may be spoken: {text!r}; hidden_words=drop keeps such rows"
            return Rejected(utterance.audio, reason, utterance.id, kind="transcript-hidden")
        cleaned = clean_transcript(text, config.transcript_side, config.keep_fillers, config.transcript)
        self.left.add(cleaned)
        if cleaned == text:
            return utterance
        self.changed += 1
        extra = {"transcript": text, **utterance.extra}
        if cleaned:
            return replace(utterance, text=cleaned, extra=extra)
        if _needs_text(config):
            reason = f"field 'text' has no words, only marks: {text!r}"
            return Rejected(utterance.audio, reason, utterance.id, kind="field-missing:text")
        self.emptied, self.first_emptied = self.emptied + 1, self.first_emptied or f"{utterance.id}: {text}"
        return replace(utterance, text=None, text_source="none", extra=extra)

    def notes(self) -> Iterator[Note]:
        """What is worth knowing about the texts of the whole corpus."""
        setting = f"transcript={self.config.transcript}"
        if self.emptied:
            reason = "text without words, only marks (kept, without a text)"
            yield Note(reason, self.emptied, self.first_emptied, kind="transcript-empty")
        is_given = self.config.transcript != "plain" and "transcript" in self.config.model_fields_set
        if is_given and not self.changed:
            reason = (
                f"{setting} changed no text"
                if self.left.texts
                else f"{setting} changed nothing: no row has a text"
            )
            yield Note(reason, max(self.left.texts, 1), kind="setting-unused:transcript")
        if self.left.marked:
            yield Note(self.left.sentence, self.left.marked, self.left.first, kind="transcript-marks")
        if self.unread.affected:
            yield Note(self.unread.sentence, self.unread.affected, self.unread.first, kind="text-unread")


def _needs_text(config: SourceConfig) -> bool:
    """Whether the settings of a source send rows without a text to quarantine."""
    return "text" in getattr(config, "required", ()) or not getattr(config, "allow_empty_text", True)
