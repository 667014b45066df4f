"""Predictions on a cluster: actors open the models once, and write a file for every part of the clips.

    OUTPUT.parts/part-000000.jsonl    rows of the first clips; a part depends on its clips and on the settings

The parts are joined in the order of the clips, and are deleted when the predictions are written.
Next: `stages/predict.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.errors import OutputError
from soritune.inference.clips import Clip, clips_of
from soritune.inference.json_values import without_nan
from soritune.inference.predictions import Row
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.alongside import predict_clips_with_text
from soritune.inference.recognition.recogniser import Recogniser
from soritune.part_file import blocks_of, digest_of, is_part, part_name, read_part, write_part
from soritune.ray_engine import RayEngine, finished_file

ROWS_PER_PART = 512
"""Enough for batches of clips of nearly one length, few enough that a lost node loses little."""


@dataclass(frozen=True)
class ClusterPrediction:
    """How predictions are made on a cluster."""

    engine: RayEngine
    load: Callable[[], Predictor]
    """Opens the models in an actor."""
    load_recogniser: Callable[[], Recogniser] | None = None
    enrolled: Any = None
    """What `Predictor.enrol` takes in every actor."""
    reads: Sequence[Path] = ()
    """Folders of the models and of the audio, which every machine must see."""
    uses_gpu: bool = True
    rows_per_part: int = ROWS_PER_PART

    def rows(
        self, clips: Iterable[Clip], output: Path, settings: object, progress: Callable[[int], None]
    ) -> Iterator[Row]:
        """The rows of the clips in order, when all parts are done.

        Args:
            clips: of files.
            output: the predictions file; the parts are beside it until the rows are taken.
            settings: what the rows depend on beside the clips; parts of other settings are made again.
            progress: called with how many more clips are done.

        Raises:
            SorituneError: the cluster cannot be reached, gives a part up, or a model cannot be used there.
        """
        folder = parts_folder(output)
        enrolled = None if self.enrolled is None else digest_of(list(clips_of(self.enrolled, None)))
        parts: list[tuple[Path, str]] = []
        sizes: list[int] = []

        def missing() -> Iterator[PredictionJob]:
            for number, block in enumerate(blocks_of(clips, self.rows_per_part)):
                parts.append((folder / part_name(number), digest_of(settings, enrolled, block)))
                if is_part(*parts[-1]):
                    progress(len(block))
                else:
                    sizes.append(len(block))
                    yield PredictionJob(*parts[-1], block)

        folder.mkdir(parents=True, exist_ok=True)
        opener = PredictionOpener(self.load, self.load_recogniser, self.enrolled)
        for number in self.engine.actors_of(
            opener, missing(), paths=[folder, *self.reads], uses_gpu=self.uses_gpu
        ):
            progress(sizes[number])
        for file, digest in parts:
            rows = read_part(finished_file(file), digest)
            if rows is None:
                raise OutputError(f"{file} cannot be read", "delete it and run the same command again")
            yield from rows


@dataclass(frozen=True)
class PredictionJob:
    """Clips, and the file for their rows. It can be sent to another machine."""

    file: Path
    digest: str
    clips: Sequence[Clip]


@dataclass(frozen=True)
class PredictionOpener:
    """Opens the models, and gives the function that predicts a part."""

    load: Callable[[], Predictor]
    load_recogniser: Callable[[], Recogniser] | None
    enrolled: Any

    def __call__(self) -> Callable[[PredictionJob], None]:
        """Called once by an actor.

        Raises:
            SorituneError: a model cannot be opened.
        """
        predictor = self.load()
        if self.enrolled is not None:
            predictor.enrol(self.enrolled)
        recogniser = None if self.load_recogniser is None else self.load_recogniser()

        def predict(job: PredictionJob) -> None:
            if is_part(job.file, job.digest):
                return  # a cluster may repeat a job whose result it has lost
            rows = (
                predictor.predict_clips(job.clips)
                if recogniser is None
                else predict_clips_with_text(predictor, recogniser, job.clips)
            )
            write_part(job.file, job.digest, map(without_nan, rows))

        return predict


def parts_folder(output: Path) -> Path:
    """Where the parts of an output are while they are made."""
    return output.with_name(f"{output.name}.parts")


def remove_parts(output: Path) -> None:
    """Deletes the parts of an output that is written."""
    shutil.rmtree(parts_folder(output), ignore_errors=True)
