"""How a VQGAN is trained: the paper's recipe, a modern one, and one that starts from a checkpoint."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..conditions.registry import MAP_KINDS
from ..conditions.tokenized_map import MapLosses, PixelLoss
from ..vqgan.quantizer import Quantizer
from .setting_ranges import check_choices, check_numbers
from .shared_settings import FINETUNING_STEPS, Training

__all__ = ["KINDS", "VQGANTraining"]

KINDS = {"image": MapLosses()} | {name: kind.losses for name, kind in MAP_KINDS.items()}
"""What has a tokenizer, pictures and the maps of conditions, and what it is trained with by default."""


LONG_CODES = 32
"""Codes of more numbers than these are far from each other in too many directions for k-means to place them for good."""


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
        lecam_weight: of LeCam regularisation, which keeps the discriminator's logits near their running means.
        codebook_learning: "gradient" (equation 4), or "ema": codes are running means of the latents that choose them.
            ``None`` here and in the next two: what suits the quantizer, see :meth:`for_quantizer`.
        codebook_start: steps in which latents pass unquantised, before k-means places all codes at once.
        revive_below: codes chosen less often than this share of the mean are put on a recent latent; 0: never.
        codebook_decay: of the running means.
        gumbel_temperatures: of Gumbel's codes at the first and at the last step, with a cosine between.
        whiten: start with latents of mean zero and covariance one, and convolutions that keep the variance.
        freeze: parts that are not trained: "encoder", "decoder", "codebook".
    """

    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    betas: tuple[float, float] = (0.5, 0.9)
    pixel_loss: PixelLoss | None = None
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
    codebook_learning: Literal["gradient", "ema"] | None = "gradient"
    codebook_start: int | None = 0
    revive_below: float | None = 0.0
    codebook_decay: float = 0.99
    gumbel_temperatures: tuple[float, float] = (1.0, 0.0625)
    whiten: bool = False
    freeze: tuple[Literal["encoder", "decoder", "codebook"], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = ("disc_start", "disc_warmup", "disc_ramp", "codebook_start")
        layers = {"disc_channels": "[1, inf)", "disc_layers": "[1, inf)"}
        check_numbers(self, int, {name: "[0, inf)" for name in steps} | layers)
        weights = (
            "perceptual_weight", "people_weight", "codebook_weight", "disc_weight", "disc_learning_rate", "lecam_weight",
            "revive_below",
        )  # fmt: skip
        others = {"codebook_decay": "[0, 1)", "gumbel_temperatures": "(0, inf)"}
        check_numbers(self, float, {name: "[0, inf)" for name in weights} | others)
        choices = {
            "pixel_loss": (None, "l1", "l2", "bce", "cross_entropy"),
            "disc_loss": ("hinge", "vanilla"),
            "disc_norm": ("batch", "group", "none"),
            "discriminator_forward": ("reuse", "fresh"),
            "codebook_learning": (None, "gradient", "ema"),
        }
        check_choices(self, choices)
        parts = ("encoder", "decoder", "codebook")
        if isinstance(self.freeze, str) or any(part not in parts for part in self.freeze):
            raise ValueError(
                f"freeze is a tuple of names among 'encoder', 'decoder' and 'codebook', got {self.freeze!r}."
            )

    @classmethod
    def paper(cls, **changes: Any) -> VQGANTraining:
        """The recipe of the original: Adam, a constant rate that grows with the batch, the discriminator from one step on."""
        return cls(**{"learning_rate": 4.5e-6, "scale_learning_rate": True, **changes})

    @classmethod
    def modern(cls, **changes: Any) -> VQGANTraining:
        """What trains faster and does not collapse; docs/training.md has the evidence for each ingredient.

        Meant for ``VQGANConfig.modern()``. The steps of discriminator and codebook are shares of ``max_steps``; how codes
        are learned follows from the quantizer.
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
            "codebook_learning": None,
            "codebook_start": None,
            "revive_below": None,
            "whiten": True,
            "disc_start": steps // 2,
            "disc_warmup": min(2000, steps // 20),
            "disc_ramp": min(5000, steps // 10),
            "disc_weight": 0.8,
            "disc_learning_rate": 3e-4,
            "disc_norm": "group",
            "lecam_weight": 0.0,
        }
        return cls(**{**recipe, **changes})

    @classmethod
    def finetune(cls, **changes: Any) -> VQGANTraining:
        """For ``init=``: the decoder adapts at a low rate; encoder and codes stay, and with them all tokens.

        So a GPT on these tokens goes on working. For pictures of another kind, ``freeze=("codebook",)`` lets the encoder
        adapt, too; a GPT is to be trained further then.
        """
        steps = changes.get("max_steps", FINETUNING_STEPS)
        recipe: dict[str, Any] = {
            "max_steps": steps,
            "optimizer": "adamw",
            "learning_rate": 1e-4,
            "betas": (0.9, 0.99),
            "schedule": "cosine",
            "warmup_steps": min(500, steps // 10),
            "ema_decay": 0.999,
            "clip_gradients": 1.0,
            "freeze": ("encoder", "codebook"),
            "disc_start": steps // 5,
            "disc_warmup": steps // 5,
            "disc_ramp": steps // 5,
            "disc_weight": 0.2,
            "disc_learning_rate": 3e-4,
            "disc_norm": "group",
        }
        return cls(**{**recipe, **changes})

    def warn_of_new_tokens(self) -> None:
        """Warns where a VQGAN that is trained further gives other tokens than before."""
        if {"encoder", "codebook"} <= set(self.freeze):
            return
        how = (
            "places all codes anew" if self.codebook_start and "codebook" not in self.freeze else "changes the encoder"
        )
        warnings.warn(
            f"this training {how}, so pictures get other tokens: a GPT that was trained on this VQGAN's tokens has to be "
            "trained again. freeze=('encoder', 'codebook') keeps them, as VQGANTraining.finetune() does.",
            stacklevel=3,
        )

    @classmethod
    def vqvae(cls, **changes: Any) -> VQGANTraining:
        """The VQ-VAE that the paper starts from: squared error, no perceptual term, no discriminator."""
        return cls.paper(**{"pixel_loss": "l2", "perceptual": None, "disc_weight": 0.0, **changes})

    def for_quantizer(self, quantizer: Quantizer) -> VQGANTraining:
        """What is left open about the codebook, filled in for a quantizer.

        Codes that are vectors of their own are running means, placed by k-means after the first steps, and revived. Other
        codes learn by gradients alone, or have nothing to learn.
        """
        codes = quantizer.free_codes
        steps = self.max_steps
        if codes is None:
            open_fields: dict[str, Any] = {"codebook_learning": "gradient", "codebook_start": 0, "revive_below": 0.0}
        elif codes.shape[1] > LONG_CODES:  # which are lost more easily: placed later, revived sooner
            open_fields = {"codebook_learning": "ema", "codebook_start": min(2000, steps // 5), "revive_below": 0.3}
        else:
            open_fields = {"codebook_learning": "ema", "codebook_start": min(2000, steps // 20), "revive_below": 0.03}
        return replace(self, **{name: value for name, value in open_fields.items() if getattr(self, name) is None})

    def for_kind(self, kind: str) -> VQGANTraining:
        """What is left open, filled in for pictures or maps.

        Raises:
            ValueError: for an unknown kind, or terms that it cannot be trained with.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {tuple(KINDS)}, got {kind!r}.")
        losses = KINDS[kind]
        if kind != "image" and (self.people_weight != 1 or self.people_share):
            raise ValueError(f"people_weight and people_share are for pictures of people, not for {kind} maps.")
        pixel_loss = self.pixel_loss or losses.pixels[0]
        if pixel_loss not in losses.pixels:
            allowed = " or ".join(map(repr, losses.pixels))
            raise ValueError(f"pixel_loss={pixel_loss!r} is not for {kind}, which takes {allowed}.")
        perceptual = losses.perceptual if self.perceptual == "default" else self.perceptual
        weight = losses.disc_weight if self.disc_weight is None else self.disc_weight
        if losses.of_labels:
            perceptual, weight = None, 0.0
        return replace(self, pixel_loss=pixel_loss, perceptual=perceptual, disc_weight=weight)
