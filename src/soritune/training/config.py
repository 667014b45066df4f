"""What a recipe says about training. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from soritune.settings import Settings

BestName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Part of a folder's name."""


class EarlyStopping(Settings):
    """Stop when nothing has improved for a while."""

    monitor: str = "loss"
    """"loss", or a task's metric as `<task>/<metric>`."""
    patience: int = Field(5, ge=1)
    """Evaluations without improvement before training stops."""
    min_delta: float = Field(0.0, ge=0)
    """Absolute change of the monitored value that counts as an improvement."""


class TrainingSettings(Settings):
    """Optimizer, schedule, evaluation and what is kept."""

    epochs: int = Field(10, ge=1)
    """Passes over the training split."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after this many optimizer steps, whatever the epochs say."""
    learning_rate: float = Field(2e-5, gt=0, allow_inf_nan=False)
    """Peak rate of everything that is not named in `learning_rates`."""
    learning_rates: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict
    )
    """Peak rate per group: "heads", "encoder", "lora", or transformer layers as "layers.8-15". A rate of 0 only
    stops the updates; freeze under `model.freeze` to save the computation too."""
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
    """Resumable checkpoint every so many steps; None: at every evaluation."""
    keep_newest: int = Field(2, ge=1)
    """Resumable checkpoints kept."""
    best: tuple[str, ...] | dict[BestName, str] = ()
    """Values whose best weights are kept as bundles, beside "loss" and each task's primary metric: a list gives
    bundles best_<task>_<metric>, a mapping `name: value` gives best_<name>. Of an output that a task could have but
    its settings leave out nothing is kept."""
    keep_epochs: bool | int = False
    """Keep a bundle epoch_N at the end of each epoch N: all of them, or the newest so many."""
    early_stopping: EarlyStopping | None = None
    """None trains to the end."""
    log_every_steps: int = Field(10, ge=1)
    """Steps between log lines."""
    max_failed_share: float = Field(0.02, ge=0, le=1)
    """Training stops when more than this share of an epoch's rows could not be used."""
    max_non_finite_steps: int = Field(10, ge=0)
    """Steps with a non-finite loss or gradient are skipped; training stops after this many."""
    seed: int = 0
    """Of the run: order, augmentation, dropout, new heads."""
    tensorboard: bool = False
    """Write event files beside the JSON log; needs the extra `track`."""

    @field_validator("keep_epochs")
    @classmethod
    def _whole(cls, value: bool | int) -> bool | int:
        if not isinstance(value, bool) and value < 1:
            raise ValueError("give true, false, or how many of the newest epochs to keep (at least 1)")
        return value
