"""The encoder's mean states of every row of a corpus, in one file that is made once.

The file has the ids of its rows and a fingerprint of everything its numbers depend on: weights of the encoder,
preprocessing, rows and samples. A file with another fingerprint is made anew. Next: `stages/layer_sweep.py`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from soritune.corpus.audio_hashes import stored_audio_hashes
from soritune.corpus.manifest import Manifest
from soritune.draws import Draws
from soritune.errors import AudioError
from soritune.models.devices import pick_device
from soritune.models.mean_states import mean_states
from soritune.models.model import SpeechModel
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.training.batches.collate import Collator
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import plan_evaluation
from soritune.training.encoder_states import digest_of
from soritune.whole_file import write_bytes

VERSION = "1"
"""Of the file's layout."""


def cached_states(
    recipe: Recipe, manifest: Manifest, model: SpeechModel, file: Path, *, console: Console = SILENT
) -> NDArray[np.float32]:
    """(rows, states, hidden) of `mean_states` for every row, from `file` if it is of the same encoder and rows.

    Args:
        recipe: has the preprocessing, the size of batches and the device.
        manifest: the rows.
        model: as `build_state_model` makes it.
        file: read, or written whole.
        console: where progress is shown; nothing is shown by default.

    Raises:
        AudioError: a row cannot be read.
        OutputError: the file cannot be written to.
    """
    expected = {
        "version": VERSION,
        "rows": json.dumps(manifest.ids),
        "fingerprint": _fingerprint(recipe, manifest, model),
    }
    stored = _stored(file, expected, console)
    if stored is not None:
        return stored
    states = _encoded(recipe, manifest, model, console)
    write_bytes(file, save({"states": states}, metadata=expected))
    return states


def _stored(file: Path, expected: dict[str, str], console: Console) -> NDArray[np.float32] | None:
    """The states in the file; None if there is no such file, or it is of something else."""
    if not file.exists():
        return None
    try:
        with safe_open(file, "numpy") as content:
            metadata = content.metadata() or {}
            if metadata == expected:
                states: NDArray[np.float32] = content.get_tensor("states")
                return states
    except (SafetensorError, OSError, ValueError):
        console.message(f"{file} cannot be read and is made anew")
        return None
    names = {"rows": "other rows", "fingerprint": "another encoder, preprocessing or audio"}
    reasons = [text for key, text in names.items() if metadata.get(key) != expected[key]]
    console.message(f"{file} is of {' and '.join(reasons) or 'another version'}, and is made anew")
    return None


def _fingerprint(recipe: Recipe, manifest: Manifest, model: SpeechModel) -> str:
    """A digest of everything that the states depend on."""
    digest = hashlib.sha256(digest_of(model).encode())
    digest.update(recipe.preprocessing.model_dump_json().encode())
    digest.update(manifest.hash.encode())
    hashes = stored_audio_hashes(manifest)
    if hashes is not None:
        digest.update(hashes.hashes.tobytes())
    return digest.hexdigest()


def _encoded(recipe: Recipe, manifest: Manifest, model: SpeechModel, console: Console) -> NDArray[np.float32]:
    """The states of every row, computed.

    Raises:
        AudioError: a row cannot be read.
    """
    device = pick_device(recipe.train.device)
    model.to(device)
    collator = Collator(
        manifest,
        (),
        recipe.preprocessing,
        num_frames=model.geometry.num_frames,
        hidden_size=model.hidden_size,
    )
    limit = recipe.preprocessing.max_duration_s
    durations = manifest.durations_s if limit is None else np.minimum(manifest.durations_s, limit)
    plan = plan_evaluation(
        np.arange(len(manifest)), durations, padded_seconds=recipe.batches.evaluation_padded_seconds
    )
    states = np.zeros((len(manifest), model.num_layers + 2, model.hidden_size), np.float32)
    indices = list(range(plan.num_micro_batches))
    batches = load_batches(plan, collator, Draws(0, 0, 0), indices, num_workers=recipe.batches.num_workers)
    with console.bar("encode", total=len(manifest)) as bar:
        for batch in batches:
            if batch.failed:
                row, reason = batch.failed[0]
                raise AudioError(manifest.utterance(row).audio, reason)
            inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
            states[batch.rows] = mean_states(model, inputs).cpu().numpy()
            bar.advance(len(batch.rows))
    model.to(torch.device("cpu"))
    return states
