"""Coding with loss: what voice messages, video calls and mobile telephones leave of a recording."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import soundfile
from pydantic import field_validator

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.audio.resample import resample
from soritune.draws import RowDraws
from soritune.errors import AugmentationError


class _Format(NamedTuple):
    """How libsndfile writes a codec."""

    container: str
    subtype: str
    rates_hz: tuple[int, ...] = ()
    """Sampling rates of the codec; none if it has every rate."""
    levels: tuple[float, float] | None = None
    """Compression levels of libsndfile for the weakest and the strongest coding; None if there is one only."""
    delay: int = 0
    """Samples by which the decoder is late where the file does not state it."""


_FORMATS = {
    # 80 to 8 kbit/s at 16 kHz. Below 40 kbit/s the header of LAME, which states the delay, does not fit into a frame.
    "mp3": _Format(
        "MP3",
        "MPEG_LAYER_III",
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        (0.5, 0.98),
        1105,
    ),
    "vorbis": _Format("OGG", "VORBIS", (), (0.2, 0.99)),  # 60 to 26 kbit/s at 16 kHz
    "opus": _Format(
        "OGG", "OPUS", (8000, 12000, 16000, 24000, 48000), (0.7, 0.98)
    ),  # 80 to 11 kbit/s at 16 kHz
    "adpcm": _Format("WAV", "IMA_ADPCM"),  # 4 bits a sample
    "gsm": _Format("WAV", "GSM610", (8000,)),  # GSM 06.10, 13 kbit/s
}


class Codec(Augmentation):
    """Encodes and decodes an utterance by libsndfile. Times, length and sampling rate are kept.

    The samples depend on the version of libsndfile.
    """

    kinds: tuple[Literal["mp3", "vorbis", "opus", "adpcm", "gsm"], ...] = ("mp3", "vorbis", "adpcm", "gsm")
    """Codecs, all equally likely. Opus takes two to five times as long as the others."""
    strength: Annotated[tuple[float, float], within(0.0, 1.0)] = (0.0, 1.0)
    """Range from the weakest to the strongest coding, for mp3, vorbis and opus."""

    @field_validator("kinds")
    @classmethod
    def _some(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if not kinds:
            raise ValueError("name at least one codec")
        return kinds

    def check_usable(self) -> None:
        """Looks for the codecs in libsndfile.

        Raises:
            AugmentationError: it is older or was built without one of them.
        """
        for kind in self.kinds:
            form = _FORMATS[kind]
            known = form.container in soundfile.available_formats()
            if not known or form.subtype not in soundfile.available_subtypes(form.container):
                raise AugmentationError(
                    f"augment.codec: this libsndfile ({soundfile.__libsndfile_version__}) cannot write {kind}; "
                    "leave it out of kinds"
                )

    def draw(self, rng: RowDraws) -> Parameters:
        """`kind`, `strength`."""
        return {
            "kind": np.asarray(self.kinds)[(rng.uniform("kind") * len(self.kinds)).astype(np.int64)],
            "strength": rng.between("strength", self.strength),
        }

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Sends (samples,) through the codec drawn; louder samples than full scale keep their level."""
        form = _FORMATS[str(parameters["kind"])]
        scale = np.float32(max(1.0, float(np.abs(samples).max(initial=0.0))))
        rate = _rate_of(form, sample_rate_hz)
        # Resampling overshoots full scale by a little; libsndfile would wrap such samples around in GSM and ADPCM.
        given = np.clip(resample(samples / scale, sample_rate_hz, rate), -1.0, 1.0)
        coded = _through(form, given, rate, float(parameters["strength"]))
        decoded = resample(coded, rate, sample_rate_hz)
        result = np.zeros(len(samples), np.float32)
        result[: len(decoded)] = decoded[: len(samples)]
        return result * scale


AUGMENTATION = Codec


def _rate_of(form: _Format, sample_rate_hz: int) -> int:
    """The lowest rate of the codec that keeps the band, or its highest one."""
    enough = [rate for rate in form.rates_hz if rate >= sample_rate_hz]
    return min(enough) if enough else max(form.rates_hz, default=sample_rate_hz)


def _through(form: _Format, samples: Float32Array, rate: int, strength: float) -> Float32Array:
    """(samples,) encoded in memory and decoded, from their first sample."""
    options: dict[str, Any] = {}
    if form.levels is not None:
        weakest, strongest = form.levels
        options["compression_level"] = weakest + strength * (strongest - weakest)
    if form.container == "MP3":
        options["bitrate_mode"] = "CONSTANT"
    coded = io.BytesIO()
    with soundfile.SoundFile(
        coded, "w", rate, 1, subtype=form.subtype, format=form.container, **options
    ) as file:
        file.write(samples)
    coded.seek(0)
    decoded, _ = soundfile.read(coded, dtype="float32")
    late = form.delay if len(decoded) >= len(samples) + form.delay else 0
    result: Float32Array = decoded[late : late + len(samples)]
    return result
