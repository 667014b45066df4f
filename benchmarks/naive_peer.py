"""The peer of `train_epoch.py`: fine-tuning as in common tutorials, with Hugging Face's Trainer and peft.

It uses `Wav2Vec2ForCTC`, `get_peft_model` on q, k and v with the head in `modules_to_save`, a collator that pads random
utterances to the longest of the batch, and `Trainer` with its defaults (fused AdamW, clipping at 1.0, no loader
processes). Audio is decoded by soundfile on demand, which is faster than `datasets`' lists of floats.
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
    """Pads audio to the longest of the batch, and labels with -100."""

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
    """The model with random weights.

    Args:
        architecture: configuration with Hugging Face's keys.
        labels: size of the vocabulary, blank first.
        lora: rank, alpha, dropout and targets; None trains all weights.
        freeze_call: call `freeze_feature_encoder()`, which also removes the convolution from the graph. Without it peft
            freezes the convolution's weights, but the graph still contains it.
        frozen_layers: number of lowest layers that, with all modules below them, are frozen and have no adapters.
        seed: seed of the weights.
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
    """The feature extractor of the published checkpoints: an attention mask for layer-norm models only."""
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
    """(frames, labels) of a single clip."""
    model.eval()
    values = extractor(clip, sampling_rate=16000, return_tensors="pt").input_values
    logits = model(values).logits[0]
    return torch.log_softmax(logits.float(), dim=-1).numpy()
