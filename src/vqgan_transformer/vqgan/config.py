"""What shapes a VQGAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..storage.diffusers_settings import DiffusersSettings
from .quantizer_kinds import QUANTIZERS, QuantizerKind

__all__ = ["VQGANConfig"]


@dataclass(frozen=True)
class VQGANConfig:
    """Everything that shapes a VQGAN. The defaults are the paper's f=16 model for 256-pixel crops.

    Args:
        in_channels: channels of a picture: 3 for RGB, 1 for depth, the number of labels for one-hot label maps.
        out_channels: channels of a reconstruction.
        channels: width of the first level.
        channel_multipliers: width of each level relative to the first, highest resolution first. The resolution
            halves between levels.
        num_res_blocks: the encoder's residual blocks at each level, one number for all levels or one for each.
        decoder_res_blocks: the decoder's; ``None`` stands for one more than the encoder's, as in the original.
        attention_levels: levels with attention after each residual block (0 is the highest resolution).
        mid_attention: attention at the core, too.
        downsample: ``"convolution"``, the original's, or ``"average"`` over 2×2 pixels, as in MaskGIT.
        norm: ``"group"``, the original's; ``"channel"``, which looks at one place only, so that with no attention
            all operations are local and a strip of a picture decodes exactly as in the whole; or ``"spatial"``, by
            which a decoder sees its codes at every level (MoVQ).
        norm_groups: of group and spatial normalisation; divides all widths.
        patch_size: side of the squares of pixels that the encoder folds into channels and the decoder unfolds.
        dropout: probability inside residual blocks.
        latent_channels: channels between the encoder and the projection to codes.
        quantizer: how features become codes: ``"nearest"``, the original's; ``"gumbel"``; ``"inner_product"`` (IBQ);
            ``"fsq"``, finite scalar quantization; or ``"lookup_free"``, bits. See :data:`vqgan_transformer.vqgan.quantizer_kinds.QUANTIZERS`.
        codebook_size: number of codes.
        code_dim: length of a code.
        normalize_codes: compare and use codes and features as unit vectors.
        commitment_weight: beta of the paper's equation 4.
        legacy_commitment: put beta on the codebook's term instead of the encoder's, as in all published checkpoints
            of the original. Only training sees a difference.
        kl_weight: weight of the Gumbel quantizer's divergence from uniform codes.
        entropy_weight: weight of the entropy term with which inner-product codes and bits are trained.
        code_levels: of finite scalar quantization, how many values each number of a code takes; their product is
            ``codebook_size``, their count ``code_dim``.
        unit_range: the network's own pictures lie in [0, 1], as in MaskGIT and aMUSEd. Those that are encoded and
            decoded lie in [-1, 1] all the same.
        has_decoder: false for checkpoints that can encode only, e.g. Chameleon's.
        least_psnr: in dB, how near to themselves pictures like those that it was trained on come back at least, the
            worst few of a hundred aside. A pipeline that is to complete a picture warns where this one comes back worse;
            ``None`` where that is not known. It is never measured by itself, and fine-tuning keeps it.
        diffusers: what the pipelines of diffusers want to know of a checkpoint that comes from there; ``save_diffusers``
            writes it, and nothing else uses it.

    Raises:
        ValueError: where two fields contradict each other or one is out of range.
    """

    in_channels: int = 3
    out_channels: int = 3
    channels: int = 128
    channel_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int | tuple[int, ...] = 2
    decoder_res_blocks: int | tuple[int, ...] | None = None
    attention_levels: tuple[int, ...] = (4,)
    mid_attention: bool = True
    downsample: Literal["convolution", "average"] = "convolution"
    norm: Literal["group", "channel", "spatial"] = "group"
    norm_groups: int = 32
    patch_size: int = 1
    dropout: float = 0.0
    latent_channels: int = 256
    quantizer: QuantizerKind = "nearest"
    codebook_size: int = 1024
    code_dim: int = 256
    normalize_codes: bool = False
    commitment_weight: float = 0.25
    legacy_commitment: bool = False
    kl_weight: float = 5e-4
    unit_range: bool = False
    has_decoder: bool = True
    entropy_weight: float = 0.05
    code_levels: tuple[int, ...] = ()
    least_psnr: float | None = None
    diffusers: DiffusersSettings | None = None

    def __post_init__(self) -> None:
        levels = len(self.channel_multipliers)
        sizes = {name: getattr(self, name) for name in ("in_channels", "out_channels", "channels", "norm_groups")}
        sizes |= {name: getattr(self, name) for name in ("patch_size", "latent_channels", "codebook_size", "code_dim")}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"VQGANConfig.{name} must be at least 1, got {value}.")
        if levels == 0 or min(self.channel_multipliers) < 1:
            raise ValueError(
                f"channel_multipliers must be one or more positive numbers, got {self.channel_multipliers}."
            )
        for name in ("num_res_blocks", "decoder_res_blocks"):
            blocks = getattr(self, name)
            if isinstance(blocks, tuple) and len(blocks) != levels:
                raise ValueError(f"{name} has {len(blocks)} numbers, but there are {levels} levels: give one for each.")
            if blocks is not None and min(blocks if isinstance(blocks, tuple) else (blocks,)) < 0:
                raise ValueError(f"{name} must not be negative, got {blocks}.")
        if any(not 0 <= level < levels for level in self.attention_levels):
            raise ValueError(f"attention_levels must lie in 0..{levels - 1}, got {self.attention_levels}.")
        choices = {"norm": ("group", "channel", "spatial"), "quantizer": tuple(QUANTIZERS)}
        choices |= {"downsample": ("convolution", "average")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {getattr(self, name)!r}.")
        if self.norm != "channel" and any(width % self.norm_groups for width in self.widths):
            raise ValueError(
                f"{self.norm} normalisation has {self.norm_groups} groups, so the width of every level must divide by "
                f"{self.norm_groups}; got {list(self.widths)}. Change channels or norm_groups, or pass norm='channel'."
            )
        QUANTIZERS[self.quantizer].check(self)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}.")

    @classmethod
    def modern(cls, **changes: Any) -> VQGANConfig:
        """A light f=16 model without attention, by default with short codes of unit length, for new trainings.

        Encoder and decoder are alike, all operations are local, and pixels are folded into channels before the first
        convolution: VQGAN+ (Weber et al. 2024) and ViT-VQGAN (Yu et al. 2022), fitted to small machines. Widen
        ``channels`` where there is a GPU.
        """
        recipe: dict[str, Any] = {
            "channels": 32,
            "channel_multipliers": (1, 2, 3, 4),
            "patch_size": 2,
            "num_res_blocks": (1, 1, 2, 2),
            "decoder_res_blocks": (1, 1, 2, 2),
            "attention_levels": (),
            "mid_attention": False,
            "norm": "channel",
            "latent_channels": 96,
        }
        chosen = {"quantizer": cls.quantizer, **recipe, **changes}
        codes = QUANTIZERS[chosen["quantizer"]].modern(chosen) if chosen["quantizer"] in QUANTIZERS else {}
        return cls(**{**codes, **chosen})

    @property
    def downsample_factor(self) -> int:
        """f: pixels a token stands for, along each side."""
        return self.patch_size << (len(self.channel_multipliers) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, highest resolution first."""
        return tuple(self.channels * multiplier for multiplier in self.channel_multipliers)

    @property
    def encoder_blocks(self) -> tuple[int, ...]:
        """The encoder's residual blocks at each level, highest resolution first."""
        blocks = self.num_res_blocks
        return blocks if isinstance(blocks, tuple) else (blocks,) * len(self.channel_multipliers)

    @property
    def decoder_blocks(self) -> tuple[int, ...]:
        """The decoder's residual blocks at each level, highest resolution first."""
        blocks = self.decoder_res_blocks
        if blocks is None:
            return tuple(count + 1 for count in self.encoder_blocks)
        return blocks if isinstance(blocks, tuple) else (blocks,) * len(self.channel_multipliers)
