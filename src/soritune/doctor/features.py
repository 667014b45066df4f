"""What one can do with soritune, and whether the libraries for it can be imported here."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import Literal

from soritune.doctor.machine import Devices
from soritune.errors import SorituneError
from soritune.extras import MODULES, TORCH_STACK, install_command, listed

logger = logging.getLogger(__name__)

CORE = ("numpy", "pyarrow", "soundfile", "soxr", "rapidfuzz", "matplotlib", "tokenizers", "safetensors")
HANGUL = frozenset(map(ord, "가힣"))


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that works if its modules can be imported."""

    name: str
    purpose: str
    extras: tuple[str, ...]
    """Extras that install the modules."""
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a feature works here."""

    name: str
    purpose: str
    state: Literal["works", "missing", "broken"]
    """broken: a library is installed and cannot be imported."""
    extras: tuple[str, ...] = ()
    command: str | None = None
    """What installs what is missing."""
    reason: str | None = None
    """Why it does not work."""


FEATURES = (
    Feature("corpora", "prepare, check, split, score, report, g2p", (), CORE),
    Feature("train", "run, train, crossval, demo", ("train",), TORCH_STACK),
    Feature("predict-pytorch", "predict and evaluate with PyTorch", ("train",), TORCH_STACK[:3]),
    Feature("predict-onnx", "predict and evaluate with ONNX Runtime", ("onnx",), MODULES["onnx"]),
    Feature("export", "export", ("export",), ("torch", "transformers", *MODULES["onnx"], *MODULES["export"])),
    Feature("baselines", "baselines, layers", ("train",), ("sklearn",)),
    Feature("tensorboard", "train.tensorboard", ("train", "track"), ("torch", *MODULES["track"])),
    Feature("trackio", "train.track=trackio", ("trackio",), MODULES["trackio"]),
    Feature("wandb", "train.track=wandb", ("wandb",), MODULES["wandb"]),
    Feature("transcribe", "transcribe, predict --text", ("asr",), MODULES["asr"]),
    Feature("synthesize", "synthesize, demo", ("speech",), MODULES["speech"]),
    Feature("compressed-audio", "M4A, AAC, WebM, FLAC in a pipe", ("audio",), MODULES["audio"]),
    Feature("noise-reduction", "preprocessing.noise_reduction", ("denoise",), MODULES["denoise"]),
    Feature("speech-detector", "finding speech by Silero", ("vad",), MODULES["vad"]),
    Feature("textgrid", "TextGrid files, read and written", ("textgrid",), MODULES["textgrid"]),
    Feature("remote-audio", "recordings behind URLs", ("remote",), MODULES["remote"]),
    Feature("ray", "prepare, check, pack, predict, transcribe --engine ray", ("ray",), MODULES["ray"]),
    Feature("serve", "serve", ("serve",), MODULES["serve"]),
    Feature("serve-ray", "soritune.serving.ray", ("serve", "ray"), (*MODULES["serve"], "ray.serve")),
    Feature("tagger", "doubtful words in g2p", ("korean",), MODULES["korean"]),
)
"""Features that depend only on modules."""


def find_features(devices: Devices) -> tuple[Finding, ...]:
    """Whether each feature works; imports the libraries, which takes seconds."""
    imports = tuple(_by_import(feature) for feature in FEATURES)
    return (*imports, _hangul_figures(), _gpu(devices))


def _by_import(feature: Feature) -> Finding:
    missing, broken = [], None
    for module in feature.modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name == module:
                missing.append(module)
            else:
                broken = broken or f"{module} cannot be imported ({error})"
        except Exception as error:  # of a library that does not fit this machine, any type
            logger.debug("traceback", exc_info=True)
            broken = broken or f"{module} cannot be imported ({type(error).__name__}: {error})"
    command = install_command(*feature.extras) if feature.extras else "pip install soritune"
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return _finding(feature, "missing", command, f"{listed(missing)} {verb} not installed")
    if broken is not None:
        return _finding(feature, "broken", None, " ".join(broken.split())[:300])
    return Finding(feature.name, feature.purpose, "works", feature.extras)


def _finding(
    feature: Feature, state: Literal["missing", "broken"], command: str | None, reason: str
) -> Finding:
    return Finding(feature.name, feature.purpose, state, feature.extras, command, reason)


def _hangul_figures() -> Finding:
    """Figures as PNG need a font with Hangul; SVG contains no letters of a font."""
    feature = Feature("hangul-figures", "figures as PNG with Hangul", ("hangul-figures",), ())
    try:
        from soritune.reports.figure_files import font_with

        font = font_with(HANGUL)
    except (ImportError, SorituneError) as error:
        return _finding(feature, "broken", None, str(error))
    if font is None:
        return _finding(
            feature, "missing", install_command(*feature.extras), "no font of this machine has Hangul"
        )
    return Finding(feature.name, feature.purpose, "works", feature.extras)


def _gpu(devices: Devices) -> Finding:
    feature = Feature("gpu", "device=cuda", ("train",), ())
    if devices.gpus:
        return Finding(feature.name, feature.purpose, "works", feature.extras)
    if devices.torch_threads is None:
        return _finding(feature, "missing", install_command(*feature.extras), "PyTorch is not installed")
    if devices.cuda is None:
        return _finding(feature, "missing", None, "this build of PyTorch is for the CPU only")
    return _finding(feature, "missing", None, f"PyTorch (CUDA {devices.cuda}) finds no GPU")
