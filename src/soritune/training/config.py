"""The settings of training in a recipe. Torch-free."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from soritune.audio.augment.settings import AugmentSettings
from soritune.models.config import FreezeSettings
from soritune.settings import Settings
from soritune.training.tracking.tracker import Tracker, checked_trackers, make_tracker

BestName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Becomes part of a folder's name."""


class EarlyStopping(Settings):
    """Stop when nothing has improved for a while."""

    monitor: str = "loss"
    """"loss", or a task's metric as `<task>/<metric>`."""
    patience: int = Field(5, ge=1)
    """Evaluations without improvement before training stops."""
    min_delta: float = Field(0.0, ge=0)
    """Absolute change of the monitored value that counts as an improvement."""


class EmaSettings(Settings):
    """Exponential moving average of the trained weights (Polyak and Juditsky 1992)."""

    decay: float = Field(0.999, gt=0, lt=1)
    """Share of the average that a step leaves; less in the first steps, (1 + n) / (10 + n) after step n."""


Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PhaseSettings(Settings):
    """One phase of training. Settings that it does not name are those of `train`, `augment` and `model.freeze`.

    It is stored and compared as given: a setting that was not named stays unnamed.
    """

    name: str | None = None
    """Shown in the log."""
    data_share: float = Field(1.0, gt=0, le=1)
    """Share of the training hours; a smaller share is part of every larger one."""
    augment: AugmentSettings | None = None
    """Changes of `augment`, e.g. `{spec_augment: {probability: 0.5}, speed: null}`."""
    freeze: FreezeSettings | None = None
    """Changes of `model.freeze`, e.g. `{layers: 16}`: fewer from phase to phase is gradual unfreezing."""
    epochs: int = Field(10, ge=1)
    max_steps: int | None = Field(None, ge=1)
    learning_rate: float = Field(2e-5, gt=0, allow_inf_nan=False)
    learning_rates: dict[str, Rate] = Field(default_factory=dict)
    weight_decay: float = Field(0.01, ge=0)
    schedule: Literal["linear", "cosine", "constant", "one_cycle"] = "linear"
    warmup_steps: int = Field(0, ge=0)
    warmup_share: float | None = Field(None, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    evaluate_every_steps: int | None = Field(None, ge=1)
    save_every_steps: int | None = Field(None, ge=1)
    early_stopping: EarlyStopping | None = None
    ema: EmaSettings | None = None

    @model_validator(mode="after")
    def _one_warmup(self) -> PhaseSettings:
        if (
            {"warmup_steps", "warmup_share"} <= self.model_fields_set
            and self.warmup_steps
            and self.warmup_share
        ):
            raise ValueError("warmup_steps has no effect beside warmup_share; give one of them")
        return self

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        for name in list(plain):
            value = getattr(self, name)
            if name not in self.model_fields_set:
                del plain[name]
            elif isinstance(value, BaseModel):
                plain[name] = value.model_dump(mode="json", exclude_unset=True)
        return plain


OVER_ALL_PHASES = {name for name in PhaseSettings.model_fields if name not in ("name", "data_share")}
"""Settings that a phase inherits from `train`, `augment` and `model.freeze` unless it names them."""


class TrainingSettings(Settings):
    """Optimizer, schedule, evaluation and what is kept."""

    phases: tuple[PhaseSettings, ...] = ()
    """Trained one after the other, each from the best weights of the one before with a new optimizer. Without phases
    the whole run is one phase."""
    phase: int | str | tuple[int | str, ...] | None = None
    """Which phases to train now, by number from 1 or by name; None trains all."""
    epochs: int = Field(10, ge=1)
    """Passes over the training split."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after this many optimizer steps (of a phase), even inside an epoch."""
    learning_rate: float = Field(2e-5, gt=0, allow_inf_nan=False)
    """Peak rate of everything that is not named in `learning_rates`."""
    learning_rates: dict[str, Rate] = Field(default_factory=dict)
    """Peak rate per group: "heads", "inputs" (beside the waveform), "text" (the encoder of a text input, with its
    adapters), "encoder", "lora", or transformer layers as "layers.8-15". A rate of 0 only stops the updates; freeze
    under `model.freeze` to save the computation too."""
    weight_decay: float = Field(0.01, ge=0)
    """Of weight matrices; biases and norms are not decayed."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.98)
    """AdamW's (Loshchilov and Hutter 2019)."""
    epsilon: float = Field(1e-8, gt=0)
    """AdamW's."""
    schedule: Literal["linear", "cosine", "constant", "one_cycle"] = "linear"
    """After the warm-up: straight or cosine to zero, or level. "one_cycle" warms up over 30 % of the steps along a
    cosine and falls along one to a ten-thousandth (Smith and Topin 2018)."""
    warmup_steps: int = Field(0, ge=0)
    """Steps of linear warm-up; cut to a third of a run that is shorter than three times that, with a warning."""
    warmup_share: float | None = Field(None, ge=0, lt=1)
    """Instead of `warmup_steps`: share of all steps."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """"auto": bf16 on a GPU that has it, else fp16 on a GPU, fp32 on a CPU. CTC is always computed in fp32."""
    device: str = "auto"
    """"auto", "cpu", "cuda" or "cuda:1"."""
    threads: int | None = Field(None, ge=1)
    """CPU threads; None keeps torch's choice."""
    evaluate_every_steps: int | None = Field(None, ge=1)
    """None evaluates at the end of every epoch."""
    save_every_steps: int | None = Field(None, ge=1)
    """Steps between resumable checkpoints; None saves one at every evaluation."""
    keep_newest: int = Field(2, ge=1)
    """Resumable checkpoints kept."""
    best: tuple[str, ...] | dict[BestName, str] = ()
    """Values whose best weights are kept as bundles, beside "loss" and each task's primary metric: a list gives
    bundles best_<task>_<metric>, a mapping `name: value` gives best_<name>. A value of an output that a task could have
    but its settings leave out is ignored."""
    keep_epochs: bool | int = False
    """Keep a bundle epoch_N at the end of each epoch N: true keeps all of them, a number keeps the newest ones."""
    keep_best: int = Field(1, ge=1)
    """How many of the best weights of each value are kept."""
    validation_sample: int | None = Field(None, ge=1)
    """Rows of the validation split for an evaluation: the same ones every time, drawn evenly from every speaker and
    age. At the end the best weights are evaluated on the whole split. None takes the whole split every time."""
    early_stopping: EarlyStopping | None = None
    """None trains to the end."""
    ema: EmaSettings | None = None
    """Evaluate and save averaged weights; None takes the weights themselves."""
    log_every_steps: int = Field(10, ge=1)
    """Steps between log lines."""
    max_failed_share: float = Field(0.02, ge=0, le=1)
    """Training stops when more than this share of an epoch's rows could not be used."""
    max_non_finite_steps: int = Field(10, ge=0)
    """Steps with a non-finite loss or gradient are skipped; training stops after this many."""
    seed: int = 0
    """Of the run: order, augmentation, dropout, new heads."""
    tensorboard: bool = False
    """The same as `track: [tensorboard]`."""
    track: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Programs that are sent the numbers of the log: `[tensorboard]`, or `{wandb: {project: …}}` with settings."""

    @field_validator("keep_epochs")
    @classmethod
    def _whole(cls, value: bool | int) -> bool | int:
        if not isinstance(value, bool) and value < 1:
            raise ValueError("give true, false, or how many of the newest epochs to keep (at least 1)")
        return value

    @field_validator("track", mode="before")
    @classmethod
    def _known_trackers(cls, value: Any) -> dict[str, dict[str, Any]]:
        return checked_trackers(value)

    @field_validator("phases", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return () if value is None else value

    @model_validator(mode="after")
    def _names_differ(self) -> TrainingSettings:
        names = [phase.name for phase in self.phases if phase.name is not None]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"two phases are called '{repeated}'; names of phases must differ")
        if any(name.isdecimal() for name in names):
            raise ValueError("a number cannot be the name of a phase; phases are already counted from 1")
        return self

    def make_trackers(self) -> tuple[Tracker, ...]:
        """The trackers, not yet started."""
        named: dict[str, dict[str, Any]] = ({"tensorboard": {}} if self.tensorboard else {}) | self.track
        return tuple(make_tracker(name, settings) for name, settings in named.items())
