"""Inputs of `true_size.py`: bases of true size with random weights, and small corpora in the layout of each recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soritune.korean.phones import KOREAN

LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
OLD_KEYS = {
    "layerdrop": 0.1,
    "gradient_checkpointing": True,
    "torch_dtype": "float32",
    "transformers_version": "4.11.3",
    "return_dict": True,
}
PHONES = KOREAN.symbols
"""The 40 phones; the file of the base has them in another order, with the special tokens at the end."""
SENTENCES = ("가나다라", "사과 나무", "바다 위로", "하루 하루", "나는 학교에 갔어요", "비가 왔다")
WORDS = (("sh iy", "s iy", "I C"), ("w ao k", "w ao k", "C C C"), ("dh ah", "d ah", "I C"))
"""Canonical phones, perceived phones, error labels."""


def syllables() -> list[str]:
    """1,205 symbols like the Korean recogniser: syllables, the word boundary and two special tokens at the end."""
    return [*(chr(0xAC00 + 9 * i) for i in range(1202)), "|", "[UNK]", "[PAD]"]


def child_vocabulary() -> tuple[list[str], list[str]]:
    """The vocab.json of the phone recogniser and the two tokens added after it: 43 + 2."""
    return [*sorted(PHONES, key=str.lower), "|", "[UNK]", "[PAD]"], ["<s>", "</s>"]


# ------------------------------------------------------------------------------------------------ base


def make_base(folder: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Writes random weights by transformers in the old format; returns the number of parameters."""
    import torch
    import transformers

    vocabulary, added = spec.get("vocabulary", []), spec.get("added", [])
    changes = dict(spec["config"])
    if vocabulary:
        changes |= {"vocab_size": len(vocabulary) + len(added), "pad_token_id": vocabulary.index("[PAD]")}
    config = transformers.Wav2Vec2Config(**changes)
    torch.manual_seed(0)
    kinds = {"ctc": transformers.Wav2Vec2ForCTC, "pretraining": transformers.Wav2Vec2ForPreTraining}
    model = kinds[spec["kind"]](config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.startswith("lm_head"):
                value.normal_(std=0.1)  # logits then differ clearly between frames and labels
    weights = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in model.state_dict().items()
    }
    folder.mkdir(parents=True)
    torch.save(weights, folder / "pytorch_model.bin")
    content = config.to_dict() | OLD_KEYS | {"architectures": [kinds[spec["kind"]].__name__]}
    content.pop("dtype", None)
    (folder / "config.json").write_text(json.dumps(content, indent=1))
    if vocabulary:
        ids = {symbol: row for row, symbol in enumerate(vocabulary)}
        (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    if added:
        added_ids = {symbol: len(vocabulary) + i for i, symbol in enumerate(added)}
        (folder / "added_tokens.json").write_text(json.dumps(added_ids))
    encoder = sum(value.numel() for value in model.wav2vec2.parameters())
    return {"parameters": sum(value.numel() for value in model.parameters()), "encoder": encoder}


# ---------------------------------------------------------------------------------------------- corpora


def write_clip(path: Path, number: int, rate: int = 16000) -> float:
    """Writes a tone with overtones, noise and pauses; returns its seconds, 2 to 3."""
    rng = np.random.default_rng(number)
    seconds = 2 + rng.random()
    moments = np.arange(int(rate * seconds)) / rate
    pitch = 110 + 15 * (number % 12)
    wave = sum(np.sin(2 * np.pi * pitch * k * moments) / k for k in (1, 2, 3))
    wave = 0.2 * wave * (np.sin(2 * np.pi * 2.5 * moments) > -0.5) + 0.01 * rng.standard_normal(len(moments))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, subtype="PCM_16")
    return len(moments) / rate


def speaker_folders(*starts: int) -> Callable[[Path], None]:
    """ROOT/F2001/wav_48000/F2001_000021.wav: 8 persons, 3 clips from each of the numbers `starts`."""

    def write(root: Path) -> None:
        for number, person in enumerate(
            ["F2001", "F2002", "F2003", "F2004", "M2001", "M2002", "M2003", "M2004"]
        ):
            for start in starts:
                for i in range(3):
                    path = root / person / "wav_48000" / f"{person}_{start + i:06d}.wav"
                    write_clip(path, 100 * number + start + i, rate=48000)

    return write


def json_pairs(utterances: int) -> Callable[[Path], None]:
    """ROOT/1.Training/<speaker>/<id>.wav with a JSON beside it, 2.Validation and 3.Test."""

    def write(root: Path) -> None:
        number = 0
        for split, speakers, clips_per_speaker in (
            ("1.Training", 4, utterances),
            ("2.Validation", 2, 3),
            ("3.Test", 2, 4),
        ):
            for s in range(speakers):
                speaker = f"{split[0]}{s:03d}"
                for i in range(clips_per_speaker):
                    path = root / split / speaker / f"{speaker}_{i:04d}.wav"
                    write_clip(path, number)
                    number += 1
                    label = {
                        "Transcription": {"LabelText": SENTENCES[number % len(SENTENCES)]},
                        "Speaker": {"SpeakerName": speaker, "Age": 6 + s, "Gender": "여" if s % 2 else "남"},
                    }
                    text = json.dumps(label, ensure_ascii=False)
                    path.with_suffix(".json").write_text(text, encoding="utf-8")

    return write


def second_language(root: Path) -> None:
    """train_data.json, val_data.json and eval.json of utterances with aligned phones and error labels."""
    number = 0
    for file, speakers, clips_per_speaker in (("train_data", 4, 6), ("val_data", 1, 4), ("eval", 2, 3)):
        rows: dict[str, Any] = {}
        for s in range(speakers):
            for i in range(clips_per_speaker):
                speaker = f"{file[0].upper()}{s:03d}"
                path = root / "wav" / speaker / f"{i:03d}.wav"
                seconds = write_clip(path, number)
                words = [WORDS[(number + k) % len(WORDS)] for k in range(3)]
                number += 1
                perceived = " ".join(word[1] for word in words)
                rows[f"wav/{speaker}/{i:03d}.wav"] = {
                    "wav": f"wav/{speaker}/{i:03d}.wav",
                    "duration": round(seconds, 3),
                    "spk_id": speaker,
                    "canonical_aligned": " ".join(word[0] for word in words),
                    "perceived_aligned": perceived,
                    "perceived_train_target": perceived,
                    "wrd": "she walk the",
                    "error_labels": " ".join(word[2] for word in words),
                }
        (root / f"{file}.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
