"""The peer of `train_epoch.py`: fine-tuning as the usual tutorials write it, with Hugging Face's Trainer and peft.

`Wav2Vec2ForCTC`, `get_peft_model` on q, k and v with the head in `modules_to_save`, a collator that pads to the longest
of a batch of random utterances, `Trainer` with its defaults (fused AdamW, clipping at 1.0, no loader processes). Audio
is decoded by soundfile as it is asked for, which is quicker than `datasets`' lists of floats.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset


class Clips(Dataset[dict[str, Any]]):
    """Normalised audio and label ids."""

    def __init__(self, paths: list[Path], labels: list[list[int]], extractor: Any) -> None:
        self.paths, self.labels, self.extractor = paths, labels, extractor

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        audio, rate = soundfile.read(self.paths[index], dtype="float32")
        values = self.extractor(audio, sampling_rate=rate).input_values[0]
        return {"input_values": values, "labels": self.labels[index]}


class PaddingCollator:
    """To the longest of the batch; labels with -100."""

    def __init__(self, extractor: Any) -> None:
        self.extractor = extractor

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        audio = [{"input_values": row["input_values"]} for row in rows]
        batch: dict[str, Tensor] = dict(self.extractor.pad(audio, padding=True, return_tensors="pt"))
        labels = [torch.tensor(row["labels"]) for row in rows]
        batch["labels"] = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)
        return batch


def make_model(
    architecture: dict[str, Any],
    labels: int,
    *,
    lora: dict[str, Any] | None,
    freeze_call: bool,
    frozen_layers: int,
    seed: int,
) -> nn.Module:
    """Random weights.

    Args:
        architecture: in Hugging Face's keys.
        labels: size of the vocabulary, blank first.
        lora: rank, alpha, dropout and targets; None trains all weights.
        freeze_call: `freeze_feature_encoder()` is called, which also takes the convolution out of the graph; without
            it peft freezes the convolution's weights and the graph still runs through it.
        frozen_layers: the lowest so many layers, and all below them, have requires_grad=False and no adapters.
        seed: of the weights.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    torch.manual_seed(seed)
    plain = {key: value for key, value in architecture.items() if key != "model_type"}
    config = Wav2Vec2Config(
        **{"layerdrop": 0.0, **plain}, vocab_size=labels, pad_token_id=0, ctc_loss_reduction="mean"
    )
    model: Any = Wav2Vec2ForCTC(config)
    if freeze_call:
        model.freeze_feature_encoder()
    if frozen_layers:
        below = [
            model.wav2vec2.feature_extractor,
            model.wav2vec2.feature_projection,
            *model.wav2vec2.encoder.layers[:frozen_layers],
        ]
        for module in below:
            for parameter in module.parameters():
                parameter.requires_grad = False
    if lora is None:
        return model  # type: ignore[no-any-return]
    layers = {} if not frozen_layers else {"layers_pattern": "layers"}
    if frozen_layers:
        layers["layers_to_transform"] = list(range(frozen_layers, config.num_hidden_layers))
    settings = LoraConfig(
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=list(lora["targets"]),
        modules_to_save=["lm_head"],
        **layers,
    )
    return get_peft_model(model, settings)  # type: ignore[no-any-return]


def extractor_for(architecture: dict[str, Any]) -> Any:
    """As the published checkpoints ship it: an attention mask for layer-norm models only."""
    from transformers import Wav2Vec2FeatureExtractor

    layer_norm = architecture.get("feat_extract_norm", "group") == "layer"
    return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=layer_norm)


def make_trainer(
    model: nn.Module,
    clips: Clips,
    folder: Path,
    *,
    batch_size: int,
    learning_rate: float,
    **more: Any,
) -> Any:
    """A `Trainer` with its defaults, silent and without checkpoints."""
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    warnings.filterwarnings("ignore", category=FutureWarning)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=batch_size,
        learning_rate=learning_rate,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **more,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=clips, data_collator=PaddingCollator(clips.extractor)
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


@torch.no_grad()
def log_probabilities(model: nn.Module, clip: np.ndarray[Any, Any], extractor: Any) -> np.ndarray[Any, Any]:
    """(frames, labels) of one clip alone."""
    model.eval()
    values = extractor(clip, sampling_rate=16000, return_tensors="pt").input_values
    logits = model(values).logits[0]
    return torch.log_softmax(logits.float(), dim=-1).numpy()
