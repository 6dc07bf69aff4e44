"""What both stages of training are told; :mod:`.vqgan_settings` and :mod:`.gpt_settings` add what is their own.

A field is here because somebody needs it or because it earned its place; docs/training.md says which, and by how much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .setting_ranges import check_choices, check_flags, check_numbers

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["FINETUNING_STEPS", "Training", "learning_rate"]

FINETUNING_STEPS = 10_000
"""Updates of the recipes that start from a checkpoint, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What both stages share.

    Args:
        max_steps: updates in all.
        batch_size: samples of an update on each process, for each of ``gradient_accumulation`` parts.
        seed: of everything random: initial weights, the order of samples, crops, flips, dropout.
        crop_size: (height, width) in pixels of what is cut out of a picture, or one number for both.
        short_side: pictures are scaled down until their short side has so many pixels, before they are cut; two numbers
            are a range from which each sample draws. ``None``: the crop's longer side, as in the original.
        scale_down: False cuts from pictures at their own size; ``short_side`` is not used then.
        scale_up: pictures that are smaller than the crop are scaled up to it, instead of being refused.
        on_bad: "error" refuses data with files that cannot be used; "skip" trains on the rest and lists them.
        flip: mirror every other sample.
        people_share: of the samples that are cut around someone, where there is anyone; for data with keypoints. People
            are small in most pictures, and would otherwise be learned last.
        learning_rate: at its highest.
        scale_learning_rate: multiply it by the number of samples of an update, the original's rule.
        schedule: "constant", or "cosine" down to ``final_rate`` of the highest.
        warmup_steps: over which the learning rate rises linearly.
        final_rate: what is left of the learning rate at the end of a cosine, as a share.
        optimizer: "adam", "adamw", or "muon": Muon for hidden matrices, AdamW for the rest.
        betas: of Adam.
        weight_decay: of matrices.
        clip_gradients: the largest norm of the gradient of all weights; ``None``: any.
        ema_decay: of the running average of weights, which is what is validated and saved; ``None``: no average.
        gradient_accumulation: parts into which a batch is divided to save memory.
        mixed_precision: "no", "bf16", "fp16"; ``None``: what ``accelerate launch`` says, or no.
        gradient_checkpointing: compute activations twice to save memory.
        compile: run the model through torch.compile.
        channels_last: keep pictures with their channels last in memory. ``None``: on a GPU, and on a CPU for models that
            normalise channels; group normalisation makes it slower there (1.6 times, paper's f=16 model).
        workers: processes that read pictures; 0 reads in the training process. With workers, a script needs the usual
            ``if __name__ == "__main__":``.
        check_data: read every sample once before training, so that bad files are named at once.
        validation_share: of the samples, set aside if there is no validation data.
        validation_samples: the most samples that a validation looks at.
        log_every: steps between lines of metrics.jsonl.
        validate_every: steps between validations.
        picture_every: steps between grids of pictures.
        checkpoint_every: steps between checkpoints.
        checkpoints_total_limit: older ones are deleted; ``None``: kept.
        early_stopping: validations in a row without a better score after which a run ends; ``None``: it does not.
        trackers: further logs, by their accelerate names, e.g. ("tensorboard",).

    Raises:
        ValueError: for a field out of range.
    """

    # fields that a resumed run may change, since no number depends on them
    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        "workers", "check_data", "log_every", "validate_every", "picture_every", "checkpoint_every",
        "checkpoints_total_limit", "early_stopping", "trackers",
    )  # fmt: skip

    max_steps: int = 100_000
    batch_size: int = 8
    seed: int = 0
    crop_size: int | tuple[int, int] = 256
    short_side: int | tuple[int, int] | None = None
    scale_down: bool = True
    scale_up: bool = False
    on_bad: Literal["error", "skip"] = "error"
    flip: bool = True
    people_share: float = 0.0
    learning_rate: float = 1e-4
    scale_learning_rate: bool = False
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    final_rate: float = 0.01
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    clip_gradients: float | None = None
    ema_decay: float | None = None
    gradient_accumulation: int = 1
    mixed_precision: Literal["no", "bf16", "fp16"] | None = None
    gradient_checkpointing: bool = False
    compile: bool = False
    channels_last: bool | None = None
    workers: int = 0
    check_data: bool = True
    validation_share: float = 0.05
    validation_samples: int = 64
    log_every: int = 50
    validate_every: int = 1000
    picture_every: int = 1000
    checkpoint_every: int = 1000
    checkpoints_total_limit: int | None = 3
    early_stopping: int | None = None
    trackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_flags(self)
        whole = {name: "[1, inf)" for name in (
            "max_steps", "batch_size", "crop_size", "short_side", "gradient_accumulation", "validation_samples", "log_every",
            "validate_every", "picture_every", "checkpoint_every", "checkpoints_total_limit", "early_stopping",
        )}  # fmt: skip
        check_numbers(self, int, whole | {"seed": "[0, inf)", "warmup_steps": "[0, inf)", "workers": "[0, inf)"})
        reals = {"betas": "[0, 1)", "ema_decay": "[0, 1)", "validation_share": "[0, 1)", "people_share": "[0, 1]"}
        reals |= {
            "learning_rate": "[0, inf)",
            "weight_decay": "[0, inf)",
            "final_rate": "[0, 1]",
            "clip_gradients": "(0, inf)",
        }
        check_numbers(self, float, reals)
        choices = {
            "on_bad": ("error", "skip"),
            "schedule": ("constant", "cosine"),
            "optimizer": ("adam", "adamw", "muon"),
        }
        check_choices(self, choices | {"mixed_precision": (None, "no", "bf16", "fp16")})
        if min(self.short_sides) < max(self.crop) and self.scale_down:
            raise ValueError(
                f"short_side={self.short_side} is less than the crop of {self.crop[0]}×{self.crop[1]} pixels, which would "
                "not fit. Make crop_size smaller or short_side larger."
            )
        if self.short_sides[0] > self.short_sides[1]:
            raise ValueError(f"short_side is a range (least, most), got {self.short_side}.")
        if isinstance(self.trackers, str):
            raise ValueError(f"trackers are names in a tuple: ({self.trackers!r},).")

    @property
    def crop(self) -> tuple[int, int]:
        """(height, width) of a crop in pixels."""
        return (self.crop_size, self.crop_size) if isinstance(self.crop_size, int) else self.crop_size

    @property
    def short_sides(self) -> tuple[int, int]:
        """The range from which the short side of a scaled picture is drawn."""
        side = self.short_side if self.short_side is not None else max(self.crop)
        return (side, side) if isinstance(side, int) else side

    def share_of_rate(self, step: int) -> float:
        """What the schedule leaves of the highest learning rate at an update, counted from 0: 0 to 1."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "constant":
            return warm
        rest = max(0, step - self.warmup_steps) / max(1, self.max_steps - self.warmup_steps)
        return warm * (self.final_rate + (1 - self.final_rate) * 0.5 * (1 + cos(pi * min(1.0, rest))))

    def but(self, **changes: Any) -> Self:
        """These settings with some fields changed."""
        return replace(self, **changes)


def learning_rate(training: Training, step: int, samples_of_an_update: int, highest: float | None = None) -> float:
    """The learning rate of an update, a function of its number alone, so that a resumed run goes on with it.

    Args:
        training: whose ``schedule``, ``warmup_steps``, ``final_rate`` and ``max_steps`` count.
        step: number of the update, from 0.
        samples_of_an_update: over all processes and parts, for the original's scaling rule.
        highest: the rate that the schedule starts from; ``None``: ``training.learning_rate``.
    """
    highest = training.learning_rate if highest is None else highest
    return highest * (samples_of_an_update if training.scale_learning_rate else 1) * training.share_of_rate(step)
