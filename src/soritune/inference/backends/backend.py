"""The contract of a backend: arrays in, logits out. Next: `inference/predictor.py`.

A file in this folder binds `BACKEND` to a callable `(path, *, device, base) -> Backend` that opens the bundle at
`path`. The predictor turns logits into probabilities, so the same code follows every backend.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from soritune.bundles.card import Bundle
from soritune.errors import BundleError

AUTO, PYTORCH, ONNX_RUNTIME = "auto", "pytorch", "onnx-runtime"
"""The backend that a bundle is for, and the two that it can be."""
Arrays = dict[str, NDArray[Any]]


class Backend(Protocol):
    """A loaded model."""

    padded_seconds: float
    """Size of the batches it is fastest with: clips × longest of them, in seconds."""

    def run(self, inputs: Arrays) -> Arrays:
        """Logits of a batch.

        Args:
            inputs: "waveform" (batch, samples) float32, zero-padded at the end; "num_samples" (batch,) int64;
                the arrays of the other inputs that the bundle's card declares (`tasks/inputs/`).

        Returns:
            Per output its logits, (batch, frames, labels) or (batch, labels) float32; and "num_frames"
            (batch,) int64, the frames of each utterance that are not padding.
        """
        ...


@runtime_checkable
class PoolingBackend(Protocol):
    """A backend that also gives the pooled features of outputs for whole utterances, and reads changed ones. Only
    normalisation per speaker needs it."""

    def run_pooled(self, inputs: Arrays) -> tuple[Arrays, Arrays]:
        """What `Backend.run` returns, and per output for whole utterances the features (batch, channels) float32 that
        its last linear layer reads."""
        ...

    def classify(self, pooled: Arrays) -> Arrays:
        """Per output the logits (batch, labels) float32 of such features."""
        ...


class OpenBackend(Protocol):
    """The type of `BACKEND`."""

    def __call__(self, path: Path, *, device: str, base: str | None = None) -> Backend:
        """Opens the bundle at `path` on `device` ("auto", "cpu", "cuda", "cuda:1"). `base` is the folder or hub name of
        an adapter bundle's base, if it is not the one in the card."""
        ...


def backend_of(bundle: Bundle, name: str = AUTO) -> str:
    """The backend that runs a bundle: the one that is named, or with "auto" ONNX Runtime for an ONNX folder and PyTorch
    for any other bundle.

    Raises:
        BundleError: the one that is named runs the other kind of bundle.
    """
    fitting, other = (ONNX_RUNTIME, PYTORCH) if bundle.is_onnx else (PYTORCH, ONNX_RUNTIME)
    if name == other:
        kind = "an ONNX folder" if bundle.is_onnx else "not an ONNX folder"
        way = (
            "give the bundle that it was exported from"
            if bundle.is_onnx
            else "export it with `soritune export onnx`"
        )
        raise BundleError(
            f"{bundle.path} is {kind}, which {name} does not run; leave --backend out, or {way}"
        )
    return fitting if name == AUTO else name
