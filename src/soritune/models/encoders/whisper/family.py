"""Whisper's encoder without torch: names, configuration, geometry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.encoders.encoder import ClassifierFamily
from soritune.models.encoders.whisper.spectrogram import FFT_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ
from soritune.models.hub_names import HEAD_NAMES, HubNames

if TYPE_CHECKING:
    from soritune.models.encoder_module import EncoderModule


KERNELS, STRIDES, PADDINGS = (FFT_SAMPLES, 3, 3), (HOP_SAMPLES, 1, 2), (FFT_SAMPLES - HOP_SAMPLES, 2, 2)
"""The spectrogram, counted as a convolution, and the two convolutions. n samples give floor(n / 160) mel frames: the
feature extractor drops the last frame of a centred transform."""
MEL_BINS = (80, 128)
"""Bins of the published models; 128 since large-v3."""
POSITIONS = 1500
ENGLISH_VOCABULARY = 51864
"""`vocab_size` of the models whose name ends in .en; multilingual ones have more."""
APPENDED_SILENCE_S = 0.5
LEVEL_DBFS = -26.0
"""Active speech level of telephony (ITU-T P.56, P.830), where recordings of unknown level are usually set."""


class WhisperFamily(ClassifierFamily):
    """The encoder half of Whisper. The decoder of a folder is not read.

    Clips are not padded to 30 s. `front_settings` are stored in config.json: `appended_silence_s` is the silence behind
    a clip, whose frames are computed and dropped; `level_dbfs` is the root mean square to which a clip is scaled before
    the spectrogram, None leaves its level.
    """

    model_types: ClassVar[tuple[str, ...]] = ("whisper",)
    lora_targets: ClassVar[tuple[str, ...]] = ("q_proj", "k_proj", "v_proj")
    other_keys: ClassVar[tuple[str, ...]] = ("appended_silence_s", "level_dbfs")
    extractor_type: ClassVar[str | None] = "WhisperFeatureExtractor"
    front_settings: ClassVar[Mapping[str, Any]] = {
        "appended_silence_s": APPENDED_SILENCE_S,
        "level_dbfs": LEVEL_DBFS,
    }

    def hub_names(self, model_type: str) -> HubNames:
        """`WhisperModel` and `WhisperForAudioClassification`; transformers has no class with a CTC head."""
        return HubNames(
            classes={None: "WhisperModel", "classification": "WhisperForAudioClassification"},
            prefix="encoder.",
            bare_prefix="encoder.",
            other_prefixes=("model.encoder.",),
            heads={"classification": HEAD_NAMES["classification"]},
        )

    def geometry(self, architecture: Mapping[str, Any], sample_rate_hz: int) -> Geometry:
        """A spectrogram with 100 frames a second, halved by the second convolution; 16 kHz only."""
        if sample_rate_hz != SAMPLE_RATE_HZ:
            raise ModelError(
                f"an encoder of type whisper works at {SAMPLE_RATE_HZ} Hz, and preprocessing.sample_rate_hz is "
                f"{sample_rate_hz}; set it to {SAMPLE_RATE_HZ}, recordings are resampled"
            )
        seconds = architecture.get("appended_silence_s", APPENDED_SILENCE_S)
        positions = architecture.get("max_source_positions", POSITIONS)
        if not _is_number(seconds) or not 0 <= seconds < 30:
            raise ModelError(
                f"appended_silence_s is {seconds!r}; it must be a number of seconds from 0 to 30"
            )
        try:
            return Geometry(
                KERNELS,
                STRIDES,
                PADDINGS,
                sample_rate_hz=sample_rate_hz,
                appended_samples=round(seconds * sample_rate_hz),
                max_frames=positions,
            )
        except ValueError as error:
            raise ModelError(f"max_source_positions is invalid ({error})") from error

    def configure(self, config: Any, *, dropout: float | None, layerdrop: float, source: str) -> None:
        """Dropout of hidden states and attention; activation dropout is only lowered."""
        if config.num_mel_bins not in MEL_BINS:
            raise ModelError(
                f"{source} reads {config.num_mel_bins} mel bins; Whisper's encoders read "
                f"{' or '.join(map(str, MEL_BINS))}"
            )
        level = getattr(config, "level_dbfs", LEVEL_DBFS)
        if level is not None and not (_is_number(level) and -100 <= level <= 0):
            raise ModelError(f"{source}: level_dbfs is {level!r}; it must be a level from -100 to 0, or null")
        config.level_dbfs = level
        config.appended_silence_s = getattr(config, "appended_silence_s", APPENDED_SILENCE_S)
        if dropout is not None:
            config.dropout = config.attention_dropout = dropout
            config.activation_dropout = min(config.activation_dropout, dropout)
        config.encoder_layerdrop = layerdrop

    def caution(self, config: Any, source: str) -> str | None:
        """That weights for English only have heard no Korean."""
        if config.vocab_size != ENGLISH_VOCABULARY:
            return None
        return (
            f"{source} is a Whisper for English only, which has heard no Korean; the multilingual model of the same "
            "size has the same name without .en"
        )

    def num_layers(self, config: Any) -> int:
        """`encoder_layers`."""
        return int(config.encoder_layers)

    def build(self, config: Any, geometry: Geometry) -> EncoderModule:
        """The layers of transformers behind a front end for clips of any length."""
        from soritune.models.encoders.whisper.encoder import WhisperEncoder

        return WhisperEncoder(config, geometry)

    def preprocessor_config(
        self, preprocessing: Mapping[str, Any], architecture: Mapping[str, Any]
    ) -> dict[str, Any]:
        """For a `WhisperFeatureExtractor`, which takes the waveform as `Preprocessing` gives it."""
        return {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": int(architecture.get("num_mel_bins", MEL_BINS[0])),
            "sampling_rate": int(preprocessing.get("sample_rate_hz", SAMPLE_RATE_HZ)),
            "hop_length": HOP_SAMPLES,
            "n_fft": FFT_SAMPLES,
            "chunk_length": 30,
            "padding_side": "right",
            "padding_value": 0.0,
            "return_attention_mask": False,
        }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
