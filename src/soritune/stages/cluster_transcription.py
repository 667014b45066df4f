"""Recognition of words on a cluster: actors open the recogniser once, and write a file for every part of the clips.

    OUTPUT.parts/part-000000.jsonl    texts of the first clips without one

The texts of a finished part are moved into the recognition log (`stages/recognition_log.py`), which states what is
done. Next: `stages/transcribe.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from soritune.errors import AudioError, OutputError
from soritune.inference.clips import Clip
from soritune.inference.recognition.recogniser import RecognisedText, Recogniser, recognise_clip
from soritune.part_file import blocks_of, digest_of, is_part, part_name, read_part, write_part
from soritune.ray_engine import RayEngine, finished_file
from soritune.stages.recognition_log import Key, RecognitionLog, key_of

ROWS_PER_PART = 128
"""Minutes of work for a recogniser."""


@dataclass(frozen=True)
class ClusterTranscription:
    """How words are recognised on a cluster."""

    engine: RayEngine
    load: Callable[[], Recogniser]
    """Opens the recogniser in an actor."""
    reads: Sequence[Path] = ()
    """Folders of the model and of the audio, which every machine must see."""
    uses_gpu: bool = True
    rows_per_part: int = ROWS_PER_PART

    def recognise(
        self,
        clips: Iterable[Clip],
        log: RecognitionLog,
        folder: Path,
        settings: Mapping[str, Any],
        progress: Callable[[int], None],
    ) -> dict[Key, AudioError]:
        """Recognises the clips that the log does not have, and adds their texts to it.

        Args:
            clips: of files.
            log: of the texts.
            folder: for the parts; those that an interrupted call left are used.
            settings: of the recogniser.
            progress: called with how many more clips are done.

        Returns:
            Why clips cannot be read.

        Raises:
            SorituneError: the cluster cannot be reached, gives a part up, or the recogniser cannot be used there.
        """
        digest = digest_of(dict(settings))
        by_key = {key_of(clip): clip for clip in clips}
        failed: dict[Key, AudioError] = {}

        def absorb(file: Path) -> None:
            for line in read_part(file, digest) or ():
                key = tuple(line["clip"])
                clip = by_key.get(key)
                if clip is None or log.get(clip) is not None:
                    continue
                if "reason" in line:
                    failed[key] = AudioError(line["path"], line["reason"], line["kind"])
                else:
                    log.add(clip, RecognisedText.from_json(line))
            with suppress(OSError):
                file.unlink(missing_ok=True)

        for file in sorted(folder.glob("part-*.jsonl")):
            absorb(file)
        failed.clear()  # the recordings may be there now
        unknown = [clip for clip in by_key.values() if log.get(clip) is None]
        progress(len(by_key) - len(unknown))
        jobs = [
            TranscriptionJob(folder / part_name(number), digest, block, [key_of(clip) for clip in block])
            for number, block in enumerate(blocks_of(unknown, self.rows_per_part))
        ]
        folder.mkdir(parents=True, exist_ok=True)
        for number in self.engine.actors_of(
            TranscriptionOpener(self.load, dict(settings)),
            jobs,
            paths=[folder, *self.reads],
            uses_gpu=self.uses_gpu,
        ):
            absorb(finished_file(jobs[number].file))
            progress(len(jobs[number].clips))
        lost = next((clip for clip in unknown if log.get(clip) is None and key_of(clip) not in failed), None)
        if lost is not None:
            raise OutputError(
                f"the text of {lost.id} is missing in {folder}", "run the same command again with --resume"
            )
        with suppress(OSError):
            folder.rmdir()
        return failed


@dataclass(frozen=True)
class TranscriptionJob:
    """Clips, and the file for their texts. It can be sent to another machine."""

    file: Path
    digest: str
    clips: Sequence[Clip]
    keys: Sequence[Key]
    """Of the clips, as the log has them."""


@dataclass(frozen=True)
class TranscriptionOpener:
    """Opens the recogniser, and gives the function that recognises a part."""

    load: Callable[[], Recogniser]
    settings: Mapping[str, Any]

    def __call__(self) -> Callable[[TranscriptionJob], None]:
        """Called once by an actor.

        Raises:
            SorituneError: the recogniser cannot be opened, or is another one than that of the command.
        """
        recogniser = self.load()
        if recogniser.record() != self.settings:
            raise OutputError(
                f"the recogniser of this machine differs from that of the command ({recogniser.record()}, there "
                f"{dict(self.settings)})",
                "give the same model to all machines",
            )

        def recognise(job: TranscriptionJob) -> None:
            if not is_part(job.file, job.digest):  # a cluster may repeat a job whose result it has lost
                texts = (
                    {"clip": key, **_text(recogniser, clip)}
                    for key, clip in zip(job.keys, job.clips, strict=True)
                )
                write_part(job.file, job.digest, texts)

        return recognise


def _text(recogniser: Recogniser, clip: Clip) -> dict[str, Any]:
    """The text of a clip as JSON that `RecognisedText.from_json` reads, with all digits; or why it cannot be read."""
    try:
        text = recognise_clip(recogniser, clip)
    except AudioError as error:
        return {"path": str(error.path), "reason": error.reason, "kind": error.kind}
    return asdict(text)
