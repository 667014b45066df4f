"""Audio to a manifest with recognised text: rows that can be trained on, and those that are set aside.

Beside OUTPUT.jsonl, `OUTPUT.quarantine.jsonl` has the clips that were set aside or could not be read, with the reason,
and `OUTPUT.recognised.jsonl` the texts of all clips, by which a call is resumed. Next: `stages/recognised_phones.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soritune.corpus.checks import Quarantined, write_quarantine
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.manifest_rows import manifest_kind
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError, OutputError
from soritune.inference.clips import Clip, clips_of
from soritune.inference.recognition.acceptance import MIN_CONFIDENCE, checked_min_confidence, why_set_aside
from soritune.inference.recognition.recogniser import RecognisedText, Recogniser, recognise_clip
from soritune.progress import SILENT, Console
from soritune.stages.cluster_transcription import ClusterTranscription
from soritune.stages.recognised_phones import write_recognised_phones
from soritune.stages.recognition_log import RecognitionLog, key_of

LONGEST_SHOWN = 60
"""Characters of a text in a message."""
STAGE, UNREADABLE = "transcribe", "asr-unreadable"
GIVEN_TEXT, GIVEN_SOURCE = "given_text", "given_text_source"
"""Keys of `extra` for the text that a row had before, and its origin."""


@dataclass(slots=True)
class Transcription:
    """What a call of `transcribe` made."""

    output: Path
    quarantine: Path
    log: Path
    manifest: Manifest | None = None
    """The rows that were kept; None without any."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Kind of a reason → clips that were set aside for it, those that could not be read included."""
    examples: dict[str, str] = field(default_factory=dict)
    """Kind of a reason → the first clip and its reason."""
    given_texts: int = 0
    """Kept rows whose earlier text is in `extra`."""
    resumed: int = 0
    """Clips whose text an earlier call had recognised."""
    seconds: float = 0.0
    """Of the speech of all clips that could be read."""

    @property
    def failed(self) -> int:
        """Clips that could not be read."""
        return self.reasons[UNREADABLE]

    @property
    def set_aside(self) -> int:
        """Clips whose text is not a label."""
        return self.reasons.total() - self.failed

    def to_json(self) -> dict[str, Any]:
        """Counts and files."""
        kept = 0 if self.manifest is None else len(self.manifest)
        return {
            "transcribed": kept,
            "set_aside": self.set_aside,
            "failed": self.failed,
            "reasons": dict(sorted(self.reasons.items())),
            "given_texts": self.given_texts,
            "resumed": self.resumed,
            "seconds": round(self.seconds, 3),
            "output": str(self.output) if kept else None,
            "quarantine": str(self.quarantine),
            "recognised": str(self.log),
        }


def transcribe(
    items: Any,
    recogniser: Recogniser,
    output: Path | str,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    resume: bool = False,
    predictions: Path | None = None,
    data: Mapping[str, Any] | None = None,
    cluster: ClusterTranscription | None = None,
    console: Console = SILENT,
) -> Transcription:
    """Recognises the words of clips and writes a manifest.

    Args:
        items: what `Predictor.predict` takes, except samples in memory: files, folders, requests, or a `Manifest`.
        recogniser: makes text from speech.
        output: the manifest, .jsonl or .parquet.
        min_confidence: clips whose words have a lower mean confidence are set aside.
        resume: keep the texts of an earlier call with the same recogniser.
        predictions: also write the texts as phones, of all clips, as predictions that can be scored.
        data: what their header states about the rows, as `select_rows` gives it.
        cluster: recognises there instead of here; `recogniser` then only states its settings.
        console: where the progress bar is shown; nothing is shown by default.

    Raises:
        OutputError: an output cannot be written, or is another file, of an earlier call, or of another recogniser.
        ManifestError: another suffix than .jsonl or .parquet, or two clips with one id.
        AudioError: a folder without audio files, or samples in memory.
    """
    file = Path(output)
    manifest_kind(file)
    checked_min_confidence(min_confidence)
    result = Transcription(
        file, file.with_name(f"{file.stem}.quarantine.jsonl"), file.with_name(f"{file.stem}.recognised.jsonl")
    )
    if file.exists() and not result.log.exists():
        raise OutputError(
            f"{file} exists and was not written by an earlier call (there is no {result.log.name} beside it)",
            "choose another --output",
        )
    groups = {"split": data["split"]} if data and "split" in data else None
    clips = list(clips_of(items, groups))
    _refuse_unusable(clips)
    texts = _recognise(clips, recogniser, result, resume=resume, cluster=cluster, console=console)
    rows: list[Utterance] = []
    quarantined: list[Quarantined] = []
    for clip, text in zip(clips, texts, strict=True):
        if isinstance(text, AudioError):
            quarantined.append(Quarantined(clip.id, clip.audio, text.reason, STAGE, UNREADABLE))
            continue
        result.seconds += text.duration_s
        fault = why_set_aside(text, min_confidence)
        if fault is None:
            rows.append(recognised_row(clip, text, recogniser, file.parent))
        else:
            reason = f"{fault.reason}: '{_shown(text.text)}'" if text.text else fault.reason
            quarantined.append(Quarantined(clip.id, clip.audio, reason, STAGE, fault.kind))
    for entry in quarantined:
        result.reasons[entry.kind] += 1
        result.examples.setdefault(entry.kind, f"{entry.id}: {entry.reason}")
    write_quarantine(result.quarantine, quarantined)
    if predictions is not None:
        write_recognised_phones(predictions, list(zip(clips, texts, strict=True)), recogniser, data)
    if rows:
        result.manifest = write_manifest(file, rows, root=file.parent)
        result.given_texts = sum(GIVEN_TEXT in row.extra for row in rows)
    else:
        file.unlink(missing_ok=True)  # rows of an earlier call with another threshold
    return result


def _shown(text: str) -> str:
    """The beginning of a text, for a message: one that repeats itself fills pages."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def _recognise(
    clips: list[Clip],
    recogniser: Recogniser,
    result: Transcription,
    *,
    resume: bool,
    cluster: ClusterTranscription | None,
    console: Console,
) -> list[RecognisedText | AudioError]:
    """The text of each clip, or why it cannot be read."""
    texts: list[RecognisedText | AudioError] = []
    with (
        RecognitionLog(result.log, recogniser.record(), resume=resume) as log,
        console.bar("transcribe", len(clips)) as bar,
    ):
        if cluster is not None:
            result.resumed = sum(log.get(clip) is not None for clip in clips)
            folder = result.output.with_name(f"{result.output.name}.parts")
            failed = cluster.recognise(clips, log, folder, recogniser.record(), bar.advance)
            return [log.get(clip) or failed[key_of(clip)] for clip in clips]
        for clip in clips:
            known = log.get(clip)
            result.resumed += known is not None
            text: RecognisedText | AudioError
            try:
                text = known or recognise_clip(recogniser, clip)
            except AudioError as error:
                text = error
            else:
                if known is None:
                    log.add(clip, text)
            texts.append(text)
            bar.advance()
    return texts


def recognised_row(clip: Clip, text: RecognisedText, recogniser: Recogniser, folder: Path) -> Utterance:
    """A clip with its recognised text as a row of a manifest in `folder`.

    A row of a manifest keeps its fields. Its earlier text, unless that was recognised too, is `given_text` in `extra`,
    and the prompt stays the one that it had, so that the rows are split as before.
    """
    fields = text.fields()
    facts = {
        "text_confidence": fields["text_confidence"],
        "words": fields["words"],
        "recogniser": recogniser.name,
    }
    changed: dict[str, Any] = {
        "audio": _stored_path(clip, folder),
        "text": text.text,
        "text_source": fields["text_source"],
    }
    row: Utterance | None = clip.utterance
    if row is None:
        pcm = {} if clip.pcm is None else {"pcm": clip.pcm}
        return Utterance(
            id=clip.id,
            duration_s=clip.duration_s or text.duration_s,
            channel=clip.channel,
            language=recogniser.language,
            extra={**facts, **pcm},
            **changed,
        )
    given: dict[str, Any] = {}
    if row.text and row.text_source != "asr":
        given[GIVEN_TEXT] = row.text
        if row.text_source is not None:
            given[GIVEN_SOURCE] = row.text_source
    return replace(
        row,
        **changed,
        script_id=row.script,
        language=row.language or recogniser.language,
        extra={**row.extra, **given, **facts},
    )


def _stored_path(clip: Clip, folder: Path) -> str:
    """Relative to `folder` for audio below it, else absolute."""
    assert clip.path is not None
    path = os.path.abspath(clip.path)
    base = os.path.abspath(folder)
    return os.path.relpath(path, base) if path.startswith(os.path.join(base, "")) else path


def _refuse_unusable(clips: list[Clip]) -> None:
    """
    Raises:
        AudioError: samples in memory.
        ManifestError: two clips have one id.
    """
    if any(clip.samples is not None for clip in clips):
        raise AudioError(
            "transcribe",
            "samples in memory cannot be a row of a manifest; write them to files, and give those",
        )
    count = Counter(clip.id for clip in clips)
    name, times = max(count.items(), key=lambda item: item[1], default=("", 0))
    if times > 1:
        raise ManifestError(
            f"'{name}' is the id of {times} clips, and every row needs its own; give each file once"
        )
