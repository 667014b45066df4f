"""Toy models made in code, for tests and examples. No downloads, no files in git."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from soritune.tasks.specs import OutputSpec

ModelType = Literal["wav2vec2", "hubert", "wavlm", "whisper"]
Norm = Literal["group", "layer"]
FAMILIES: tuple[tuple[ModelType, Norm], ...] = (
    ("wav2vec2", "group"),
    ("wav2vec2", "layer"),
    ("hubert", "group"),
    ("hubert", "layer"),
    ("wavlm", "group"),
    ("wavlm", "layer"),
)
"""Every kind of encoder that reads the waveform itself, as arguments of `tiny_config`."""
ALL_FAMILIES: tuple[tuple[ModelType, Norm], ...] = (*FAMILIES, ("whisper", "layer"))
"""These and the encoders that read a spectrogram."""

_WHISPER: dict[str, Any] = {
    "d_model": 16,
    "decoder_layers": 1,
    "max_target_positions": 8,
    "classifier_proj_size": 8,
    "init_std": 0.2,
}
_WHISPER_PARTS = (("attention_heads", 2), ("ffn_dim", 32))


def tiny_config(
    model_type: ModelType = "wav2vec2",
    norm: Norm = "group",
    layers: int = 2,
    **changes: Any,
) -> dict[str, Any]:
    """`architecture` of a toy encoder: hidden 16, 2 heads, the real front end's stride of 320 samples in 3
    convolutions; of Whisper a decoder of one layer too.

    norm "group" is built like wav2vec2-base, HuBERT-base and WavLM-base (norm after each layer), "layer" like
    the large models (norm before each layer, and a last one).
    """
    if model_type == "whisper":
        sizes = {f"{half}_{part}": size for half in ("encoder", "decoder") for part, size in _WHISPER_PARTS}
        return {"model_type": model_type, **_WHISPER, **sizes, "encoder_layers": layers, **changes}
    large = norm == "layer"
    config: dict[str, Any] = {
        "model_type": model_type,
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": [8, 8, 8],
        "conv_kernel": [20, 9, 4],
        "conv_stride": [10, 8, 4],
        "conv_bias": large,
        "num_feat_extract_layers": 3,
        "feat_extract_norm": norm,
        "do_stable_layer_norm": large,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 8,
        "vocab_size": 12,
        "pad_token_id": 0,
        # Larger than the usual 0.02, so that a toy's outputs are not all near zero.
        "initializer_range": 0.2,
    }
    if model_type == "wavlm":
        config |= {"num_buckets": 32, "max_bucket_distance": 64}
    return {**config, **changes}


def tiny_checkpoint(
    folder: Path | str,
    architecture: Mapping[str, Any] | None = None,
    *,
    head: Literal["none", "ctc", "classification"] = "none",
    vocabulary: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    old_names: bool = False,
) -> Path:
    """Saves a toy model as transformers does; returns its folder.

    Args:
        folder: created if it does not exist.
        architecture: as `tiny_config` returns it.
        head: the head of the model.
        vocabulary: CTC labels, written to vocab.json; the blank is `[PAD]` or else the first.
        labels: class names of a classification head.
        seed: of the random weights.
        old_names: a pytorch_model.bin with `weight_g` and `weight_v`, as before PyTorch 2.1.
    """
    import torch
    import transformers

    settings = dict(architecture or tiny_config())
    if vocabulary is not None:
        blank = list(vocabulary).index("[PAD]") if "[PAD]" in vocabulary else 0
        settings |= {"vocab_size": len(vocabulary), "pad_token_id": blank}
    if labels is not None:
        settings |= {
            "id2label": dict(enumerate(labels)),
            "label2id": {label: i for i, label in enumerate(labels)},
        }
    config = transformers.CONFIG_MAPPING[settings["model_type"]].from_dict(settings)
    classes: dict[str, Any] = {
        "none": transformers.AutoModel,
        "ctc": transformers.AutoModelForCTC,
        "classification": transformers.AutoModelForAudioClassification,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = classes[head].from_config(config)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if old_names:
        renamed = {
            name.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): value
            for name, value in model.state_dict().items()
        }
        model.config.save_pretrained(target)
        torch.save(renamed, target / "pytorch_model.bin")
    else:
        model.save_pretrained(target)
    if vocabulary is not None:
        text = json.dumps({symbol: index for index, symbol in enumerate(vocabulary)}, ensure_ascii=False)
        (target / "vocab.json").write_text(text, encoding="utf-8")
    return target


def tiny_text_encoder(
    folder: Path | str, texts: Sequence[str], *, hidden_size: int = 16, seed: int = 0
) -> Path:
    """Saves a toy BERT and its tokenizer as transformers does; returns their folder.

    Args:
        folder: created if it does not exist.
        texts: the tokenizer is trained on them.
        hidden_size: channels, a multiple of 2.
        seed: of the random weights.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    padding, unknown, first, last = special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordPiece({}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=600, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(name, special.index(name)) for name in (first, last)]
    )
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden_size,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * hidden_size,
        max_position_embeddings=128,
        # Larger than the usual 0.02, so that two texts have different states.
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.BertModel(config)
    target = Path(folder)
    model.save_pretrained(target)
    wrapper: Any = transformers.PreTrainedTokenizerFast
    wrapped = wrapper(
        tokenizer_object=tokenizer, pad_token=padding, unk_token=unknown, cls_token=first, sep_token=last
    )
    wrapped.save_pretrained(target)
    return target


def ctc_output(
    name: str = "phoneme", labels: Sequence[str] = tuple("_abcdefghij|"), **more: Any
) -> OutputSpec:
    """A CTC output over a dozen labels, blank first."""
    return OutputSpec(name, tuple(labels), "frame", "ctc", **{"options": {"blank": 0}, **more})


def class_output(name: str = "emotion", labels: Sequence[str] = ("a", "b", "c"), **more: Any) -> OutputSpec:
    """A cross-entropy output over three labels."""
    return OutputSpec(name, tuple(labels), "utterance", "cross_entropy", **more)
