"""wav2vec2, HuBERT and WavLM without torch: names, configuration, geometry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.encoders.encoder import ClassifierFamily
from soritune.models.hub_names import HubNames
from soritune.tasks.specs import OutputSpec

if TYPE_CHECKING:
    from soritune.models.encoder_module import EncoderModule

CLASS_PREFIX: dict[str, str] = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
"""Model types, with the beginning of their class names in transformers. The model type itself is the prefix of the
encoder's weights in a model with a head."""
CONV_KERNEL, CONV_STRIDE = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
"""Values of every published model of these types, and transformers' defaults."""
OLD_NAMES: tuple[tuple[str, str], ...] = (
    ("conv.weight_g", "conv.parametrizations.weight.original0"),
    ("conv.weight_v", "conv.parametrizations.weight.original1"),
)
"""(old, new): PyTorch stored weight norm under the old names until 2.1."""


class Wav2Vec2Family(ClassifierFamily):
    """wav2vec2 (with XLS-R), HuBERT and WavLM, which differ in attention and in the norm of the front end."""

    model_types: ClassVar[tuple[str, ...]] = tuple(CLASS_PREFIX)
    lora_targets: ClassVar[tuple[str, ...]] = ("q_proj", "k_proj", "v_proj")
    optional_weights: ClassVar[tuple[str, ...]] = ("masked_spec_embed",)
    other_keys: ClassVar[tuple[str, ...]] = ("add_adapter",)
    extractor_type: ClassVar[str | None] = "Wav2Vec2FeatureExtractor"

    def hub_names(self, model_type: str) -> HubNames:
        """`Wav2Vec2Model`, `Wav2Vec2ForCTC` and similar names."""
        prefix = CLASS_PREFIX[model_type]
        return HubNames(
            classes={
                None: f"{prefix}Model",
                "ctc": f"{prefix}ForCTC",
                "classification": f"{prefix}ForSequenceClassification",
            },
            prefix=f"{model_type}.",
            old_names=OLD_NAMES,
        )

    def geometry(self, architecture: Mapping[str, Any], sample_rate_hz: int) -> Geometry:
        """Unpadded convolutions over the waveform; any sample rate."""
        kernels = architecture.get("conv_kernel", CONV_KERNEL)
        strides = architecture.get("conv_stride", CONV_STRIDE)
        for name, axis in (("conv_kernel", kernels), ("conv_stride", strides)):
            if not isinstance(axis, Sequence) or isinstance(axis, str):
                raise ModelError(f"{name} is {axis!r}; it must be a list of whole numbers above 0")
        try:
            return Geometry(tuple(kernels), tuple(strides), sample_rate_hz=sample_rate_hz)
        except ValueError as error:
            raise ModelError(f"conv_kernel and conv_stride are invalid ({error})") from error

    def configure(self, config: Any, *, dropout: float | None, layerdrop: float, source: str) -> None:
        """Dropout of hidden states, attention, projection and head; activation dropout is only lowered."""
        if getattr(config, "add_adapter", False):
            raise ModelError(
                f"{source} has convolutional adapters on top (add_adapter), which soritune does not support"
            )
        if dropout is not None:
            config.hidden_dropout = config.attention_dropout = dropout
            config.feat_proj_dropout = config.final_dropout = dropout
            config.activation_dropout = min(config.activation_dropout, dropout)
        config.layerdrop = layerdrop

    def num_layers(self, config: Any) -> int:
        """`num_hidden_layers`."""
        return int(config.num_hidden_layers)

    def build(self, config: Any, geometry: Geometry) -> EncoderModule:
        """transformers' base model, repaired."""
        from soritune.models.encoders.wav2vec2.encoder import Wav2Vec2Encoder

        return Wav2Vec2Encoder(config, geometry)

    def saves_adapters(self, model_type: str) -> bool:
        """False for WavLM: plain peft and transformers would silently ignore its adapters."""
        return model_type != "wavlm"

    def preprocessor_config(
        self, preprocessing: Mapping[str, Any], architecture: Mapping[str, Any]
    ) -> dict[str, Any]:
        """For a `Wav2Vec2FeatureExtractor`."""
        return {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "feature_size": 1,
            "sampling_rate": int(preprocessing.get("sample_rate_hz", 16000)),
            "padding_side": "right",
            "padding_value": 0.0,
            "do_normalize": bool(preprocessing.get("normalize", True)),
            "return_attention_mask": True,
        }

    def stored_preprocessing(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Of a `Wav2Vec2FeatureExtractor`."""
        return {
            **super().stored_preprocessing(stored),
            "normalize": stored.get("do_normalize"),
        }

    def tokenizer_files(self, output: OutputSpec) -> dict[str, Any]:
        """`vocab.json` and `tokenizer_config.json`, loadable by `AutoTokenizer`.

        Symbols of several letters, such as phones, need the tokenizer that writes a space between them: joined, `G G`
        and `GG` would be the same text. Single letters are joined to words.
        """
        symbols = [label for label in output.labels if not re.fullmatch(r"\[.*\]|<.*>", label)]
        separated = any(len(symbol) > 1 for symbol in symbols)
        kind: dict[str, Any] = {
            "tokenizer_class": "Wav2Vec2CTCTokenizer",
            "word_delimiter_token": "|" if "|" in output.labels else " ",
            "do_lower_case": False,
        }
        if separated:
            kind = {
                "tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer",
                "do_phonemize": False,
                "phone_delimiter_token": " ",
                "word_delimiter_token": None,  # the boundary `|` stays in the text, as in labels
            }
        blank = output.labels[int(output.options.get("blank", 0))]

        def special(*names: str) -> str | None:
            return next((name for name in names if name in output.labels), None)

        return {
            "vocab.json": {label: index for index, label in enumerate(output.labels)},
            "tokenizer_config.json": {
                **kind,
                "pad_token": blank,
                # A token outside the vocabulary would be added to it without a logit.
                "unk_token": special("[UNK]", "<unk>") or blank,
                "bos_token": special("<s>", "[CLS]") or blank,
                "eos_token": special("</s>", "[SEP]") or blank,
            },
        }
