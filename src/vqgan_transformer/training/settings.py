"""What a training run is told: one frozen dataclass for each stage, with the paper's recipe and a modern one as presets.

A field is here because somebody needs it or because it earned its place; docs/training.md says which, and by how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from typing_extensions import Self

__all__ = ["KINDS", "GPTTraining", "Kind", "Training", "VQGANTraining", "learning_rate"]

Kind = Literal["image", "segmentation", "depth", "keypoints"]
KINDS: tuple[str, ...] = ("image", "segmentation", "depth", "keypoints")


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
        trackers: further logs, by their accelerate names, e.g. ("tensorboard",).

    Raises:
        ValueError: for a field out of range.
    """

    # fields that a resumed run may change, since no number depends on them
    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        "workers", "check_data", "log_every", "validate_every", "picture_every", "checkpoint_every",
        "checkpoints_total_limit", "trackers",
    )  # fmt: skip

    max_steps: int = 100_000
    batch_size: int = 8
    seed: int = 0
    crop_size: int | tuple[int, int] = 256
    short_side: int | tuple[int, int] | None = None
    scale_down: bool = True
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
    trackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        positive = (
            "max_steps", "batch_size", "gradient_accumulation", "validation_samples", "log_every", "validate_every",
            "picture_every", "checkpoint_every",
        )  # fmt: skip
        for name in positive:
            if getattr(self, name) < 1:
                raise ValueError(f"{type(self).__name__}.{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("warmup_steps", "workers", "weight_decay", "learning_rate"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")
        if min(self.crop) < 1:
            raise ValueError(f"crop_size must be positive, got {self.crop_size}.")
        if min(self.short_sides) < max(self.crop) and self.scale_down:
            raise ValueError(
                f"short_side={self.short_side} is less than the crop of {self.crop[0]}×{self.crop[1]} pixels, which would "
                "not fit. Make crop_size smaller or short_side larger."
            )
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule must be 'constant' or 'cosine', got {self.schedule!r}.")
        if self.optimizer not in ("adam", "adamw", "muon"):
            raise ValueError(f"optimizer must be 'adam', 'adamw' or 'muon', got {self.optimizer!r}.")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), got {self.ema_decay}.")
        if not 0 <= self.people_share <= 1:
            raise ValueError(f"people_share must lie in [0, 1], got {self.people_share}.")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"validation_share must lie in [0, 1), got {self.validation_share}.")
        if self.checkpoints_total_limit is not None and self.checkpoints_total_limit < 1:
            raise ValueError(f"checkpoints_total_limit must be at least 1 or None, got {self.checkpoints_total_limit}.")

    @property
    def crop(self) -> tuple[int, int]:
        """(height, width) of a crop in pixels."""
        return (self.crop_size, self.crop_size) if isinstance(self.crop_size, int) else self.crop_size

    @property
    def short_sides(self) -> tuple[int, int]:
        """The range from which the short side of a scaled picture is drawn."""
        side = self.short_side if self.short_side is not None else max(self.crop)
        return (side, side) if isinstance(side, int) else side

    def but(self, **changes: Any) -> Self:
        """These settings with some fields changed."""
        return replace(self, **changes)


def learning_rate(training: Training, step: int, samples_of_an_update: int) -> float:
    """The learning rate of an update, a function of its number alone, so that a resumed run goes on with it.

    Args:
        training: whose ``learning_rate``, ``schedule``, ``warmup_steps`` and ``max_steps`` count.
        step: number of the update, from 0.
        samples_of_an_update: over all processes and parts, for the original's scaling rule.
    """
    from math import cos, pi

    peak = training.learning_rate * (samples_of_an_update if training.scale_learning_rate else 1)
    warm = min(1.0, (step + 1) / training.warmup_steps) if training.warmup_steps else 1.0
    if training.schedule == "constant":
        return peak * warm
    rest = max(0, step - training.warmup_steps) / max(1, training.max_steps - training.warmup_steps)
    return peak * warm * (training.final_rate + (1 - training.final_rate) * 0.5 * (1 + cos(pi * min(1.0, rest))))


@dataclass(frozen=True, kw_only=True)
class VQGANTraining(Training):
    """How a VQGAN is trained; the further arguments are those of :class:`Training`.

    Args:
        pixel_loss: "l1", "l2", and for label maps "bce" (each label against its own logit) or "cross_entropy" (the
            labels against each other). ``None``: "l1", for label maps "bce".
        perceptual: "vgg", "alex" or "squeeze" (LPIPS), "random" (features of fixed random filters), the path of a
            weights file, or ``None``. "default" is "vgg" for pictures and ``None`` for maps; label maps have no such term.
        perceptual_weight: factor of the perceptual term.
        people_weight: how much pixels near people's limbs count in the pixel loss; for pictures with keypoints.
        codebook_weight: factor of the codebook term.
        disc_weight: factor of the adversarial term, beside the adaptive weight; 0 trains without a discriminator.
            ``None``: 0.8 for pictures, 0.75 for depth. Label maps have no discriminator.
        disc_start: the step from which the generator hears the discriminator.
        disc_warmup: steps before ``disc_start`` in which the discriminator is trained already.
        disc_ramp: steps over which its weight rises from 0.
        disc_loss: "hinge" or "vanilla".
        disc_channels: width of the discriminator's first layer.
        disc_layers: how often the discriminator halves a picture.
        disc_norm: "batch", the original's; "group", which sees one picture at a time; "none".
        disc_learning_rate: of the discriminator at its highest; ``None``: the generator's.
        discriminator_forward: "reuse" shows the discriminator the reconstruction that the generator was just judged by;
            "fresh" makes a new one with the updated generator, as the original does, for the price of a forward pass.
        lecam_weight: of LeCam regularisation, which keeps the discriminator's verdicts near their running means.
        codebook_learning: "gradient" (equation 4), or "ema": codes are running means of the latents that choose them.
        codebook_decay: of these running means.
        codebook_start: steps in which latents pass unquantised, before k-means places all codes at once.
        revive_below: codes chosen less often than this share of the mean are put on a recent latent; 0: never.
        gumbel_temperatures: of Gumbel's codes at the first and at the last step, with a cosine between.
        whiten: start with latents of mean zero and covariance one, and convolutions that keep the variance.
        freeze: parts that are not trained: "encoder", "decoder", "codebook".
    """

    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    betas: tuple[float, float] = (0.5, 0.9)
    pixel_loss: Literal["l1", "l2", "bce", "cross_entropy"] | None = None
    perceptual: str | None = "default"
    perceptual_weight: float = 1.0
    people_weight: float = 1.0
    codebook_weight: float = 1.0
    disc_weight: float | None = None
    disc_start: int = 10_000
    disc_warmup: int = 0
    disc_ramp: int = 0
    disc_loss: Literal["hinge", "vanilla"] = "hinge"
    disc_channels: int = 64
    disc_layers: int = 3
    disc_norm: Literal["batch", "group", "none"] = "batch"
    disc_learning_rate: float | None = None
    discriminator_forward: Literal["reuse", "fresh"] = "reuse"
    lecam_weight: float = 0.0
    codebook_learning: Literal["gradient", "ema"] = "gradient"
    codebook_decay: float = 0.99
    codebook_start: int = 0
    revive_below: float = 0.0
    gumbel_temperatures: tuple[float, float] = (1.0, 0.0625)
    whiten: bool = False
    freeze: tuple[Literal["encoder", "decoder", "codebook"], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative = (
            "disc_start", "disc_warmup", "disc_ramp", "codebook_start", "lecam_weight", "revive_below", "people_weight",
        )  # fmt: skip
        for name in not_negative:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")
        choices = {
            "pixel_loss": (None, "l1", "l2", "bce", "cross_entropy"),
            "disc_loss": ("hinge", "vanilla"),
            "disc_norm": ("batch", "group", "none"),
            "discriminator_forward": ("reuse", "fresh"),
            "codebook_learning": ("gradient", "ema"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}.")
        for part in self.freeze:
            if part not in ("encoder", "decoder", "codebook"):
                raise ValueError(f"freeze names 'encoder', 'decoder' or 'codebook', got {part!r}.")
        if not min(self.gumbel_temperatures) > 0:
            raise ValueError(f"gumbel_temperatures must be positive, got {self.gumbel_temperatures}.")
        if not 0 <= self.codebook_decay < 1:
            raise ValueError(f"codebook_decay must lie in [0, 1), got {self.codebook_decay}.")

    @classmethod
    def paper(cls, **changes: Any) -> VQGANTraining:
        """The recipe of the original: Adam, a constant rate that grows with the batch, the discriminator from one step on."""
        return cls(**{"learning_rate": 4.5e-6, "scale_learning_rate": True, **changes})

    @classmethod
    def modern(cls, **changes: Any) -> VQGANTraining:
        """What trains faster and does not collapse; docs/training.md has the evidence for each ingredient.

        Meant for ``VQGANConfig.modern()``, with codes of unit length. The steps of discriminator and codebook are
        shares of ``max_steps``.
        """
        steps = changes.get("max_steps", cls.max_steps)
        recipe: dict[str, Any] = {
            "optimizer": "muon",
            "learning_rate": 1.5e-3,
            "betas": (0.9, 0.99),
            "weight_decay": 1e-4,
            "schedule": "cosine",
            "warmup_steps": min(1000, steps // 30),
            "ema_decay": 0.999,
            "clip_gradients": 1.0,
            "codebook_learning": "ema",
            "codebook_start": min(2000, steps // 20),
            "revive_below": 0.03,
            "whiten": True,
            "disc_start": steps * 8 // 10,
            "disc_warmup": min(2000, steps // 20),
            "disc_ramp": min(5000, steps // 10),
            "disc_weight": 0.2,
            "disc_learning_rate": 3e-4,
            "disc_norm": "group",
            "lecam_weight": 0.0,
        }
        return cls(**{**recipe, **changes})

    @classmethod
    def vqvae(cls, **changes: Any) -> VQGANTraining:
        """The VQ-VAE that the paper starts from: squared error, no perceptual term, no discriminator."""
        return cls.paper(**{"pixel_loss": "l2", "perceptual": None, "disc_weight": 0.0, **changes})

    def for_kind(self, kind: str) -> VQGANTraining:
        """What is left open, filled in for pictures or maps.

        Raises:
            ValueError: for an unknown kind, or terms that it cannot be trained with.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}.")
        labels, pictures = kind == "segmentation", kind in ("image", "keypoints")
        if kind != "image" and (self.people_weight != 1 or self.people_share):
            raise ValueError(f"people_weight and people_share are for pictures of people, not for {kind} maps.")
        pixel_loss = self.pixel_loss or ("bce" if labels else "l1")
        perceptual = ("vgg" if pictures else None) if self.perceptual == "default" else self.perceptual
        weight = (
            self.disc_weight if self.disc_weight is not None else {"segmentation": 0.0, "depth": 0.75}.get(kind, 0.8)
        )
        if labels != (pixel_loss in ("bce", "cross_entropy")):
            raise ValueError(f"pixel_loss={pixel_loss!r} is not for {kind}: label maps take 'bce' or 'cross_entropy'.")
        if labels:
            perceptual, weight = None, 0.0
        return replace(self, pixel_loss=pixel_loss, perceptual=perceptual, disc_weight=weight)


@dataclass(frozen=True, kw_only=True)
class GPTTraining(Training):
    """How a CondGPT is trained; the further arguments are those of :class:`Training`.

    Args:
        pkeep: probability with which a token that the model reads stays; the others become random ones. Targets stay.
            ``None``: what the GPT's config says.
        condition_dropout: probability with which a sample's condition is dropped, for guidance; all kinds at once where
            there are several. A prefix GPT needs a ``null_token`` then.
        kind_dropout: where there are several kinds, the probability with which each is dropped by itself, beside that:
            what lets a user give some kinds and not others. A dictionary has the probabilities by the kinds' names; what
            it leaves out is not dropped by itself.
        token_variants: so many crops and flips of each picture are encoded before training, once; 0 encodes every
            batch anew.
        structured_tables: a new GPT learns embedding, head and positions as sums in which similar codes and neighbouring
            places share; they are folded into ordinary tables when saved.
        sample_top_k: of the samples in the picture grids.
    """

    optimizer: Literal["adam", "adamw", "muon"] = "adamw"
    weight_decay: float = 0.01
    pkeep: float | None = None
    condition_dropout: float = 0.0
    kind_dropout: float | Mapping[str, float] = 0.3
    token_variants: int = 4
    structured_tables: bool = False
    sample_top_k: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pkeep is not None and not 0 < self.pkeep <= 1:
            raise ValueError(f"pkeep must lie in (0, 1], got {self.pkeep}.")
        rates = self.kind_dropout.values() if isinstance(self.kind_dropout, Mapping) else (self.kind_dropout,)
        for name, rate in (("condition_dropout", self.condition_dropout), *(("kind_dropout", one) for one in rates)):
            if not 0 <= rate < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {rate}.")
        if self.token_variants < 0:
            raise ValueError(f"token_variants must not be negative, got {self.token_variants}.")

    @classmethod
    def paper(cls, **changes: Any) -> GPTTraining:
        """The recipe of the original: AdamW without schedule, a rate that grows with the batch."""
        return cls(**{"learning_rate": 4.5e-6, "scale_learning_rate": True, **changes})

    @classmethod
    def modern(cls, **changes: Any) -> GPTTraining:
        """What learns faster; docs/training.md has the evidence for each ingredient."""
        steps = changes.get("max_steps", cls.max_steps)
        recipe: dict[str, Any] = {
            "optimizer": "muon",
            "learning_rate": 1.5e-3,
            "schedule": "cosine",
            "warmup_steps": min(1000, steps // 30),
            "clip_gradients": 1.0,
            "ema_decay": 0.999,
            "structured_tables": True,
        }
        return cls(**{**recipe, **changes})
