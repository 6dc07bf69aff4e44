"""A pretrained encoder of pictures as a condition: DINOv2 (Oquab et al. 2023), one feature for each token of a grid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .config import CondGPTConfig, PictureEncoderConfig
from .linear import Linear

__all__ = ["PictureEncoder", "PictureFeatures"]

OLD_NAMES = {
    "q_proj": "attention.query",
    "k_proj": "attention.key",
    "v_proj": "attention.value",
    "o_proj": "output.dense",
}
"""Of an attention's parts in transformers 5: their names in transformers 4, in which files are written and published."""


def published_name(name: str) -> str:
    """The name of a parameter of DINOv2 in transformers 4, whichever version gave it."""
    return re.sub(r"(?<=\.attention\.)([qkvo]_proj)(?=\.)", lambda match: OLD_NAMES[match[1]], name)


class PictureEncoder(nn.Module):
    """DINOv2 as transformers has it, made from its sizes; weights come from the GPT's own file.

    Its state dict has the names of transformers 4, whichever version is installed, and either names can be loaded.

    Args:
        config: its sizes.
        factor: pixels of a picture for each token along each side.

    Raises:
        ImportError: without transformers.
    """

    def __init__(self, config: PictureEncoderConfig, factor: int):
        super().__init__()
        try:
            from transformers import Dinov2Config, Dinov2Model
        except ImportError as error:
            raise ImportError(
                "a GPT that reads pictures needs transformers 4.45 or later: pip install 'vqgan-transformer[control]'."
            ) from error
        self.patch, self.factor, self.resize = config.patch_size, factor, config.resize
        self.model = Dinov2Model(
            Dinov2Config(
                hidden_size=config.hidden_size,
                num_hidden_layers=config.num_hidden_layers,
                num_attention_heads=config.num_attention_heads,
                mlp_ratio=config.mlp_ratio,
                patch_size=config.patch_size,
                image_size=config.image_size,
            )
        )
        hooks: Any = self  # torch's registration has no types
        hooks.register_state_dict_post_hook(_write_published_names)
        hooks.register_load_state_dict_pre_hook(_read_either_names)

    def forward(self, pictures: Tensor) -> Tensor:
        """Float (B, 3, H, W) in [-1, 1], sides multiples of the factor -> (B, H / factor, W / factor, hidden_size)."""
        height, width = pictures.shape[-2] // self.factor, pictures.shape[-1] // self.factor
        how: dict[str, Any] = (
            {"mode": "nearest"} if self.resize == "nearest" else {"mode": "bicubic", "align_corners": True}
        )
        patches = F.interpolate(pictures, size=(height * self.patch, width * self.patch), **how)
        features: Tensor = self.model(patches).last_hidden_state[:, 1:]  # the first stands for the whole picture
        return rearrange(features, "b (h w) c -> b h w c", h=height)


class PictureFeatures(nn.Module):
    """What pictures of one kind add at each place, before chosen blocks of a GPT (ControlAR; Li et al. 2024).

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        assert config.picture_encoder is not None and config.downsample_factor is not None
        width = config.n_embd
        self.encoder = PictureEncoder(config.picture_encoder, config.downsample_factor)
        self.to_width = projection(config.picture_encoder.hidden_size, width)
        self.shared = projection(width, width)
        self.injections = nn.ModuleDict({str(layer): projection(width, width) for layer in config.condition_layers})

    def forward(self, pictures: Tensor | None, size: tuple[int, int], batch: int, strength: float) -> dict[int, Tensor]:
        """Features for each block that takes them in.

        Args:
            pictures: float (B, 3, H, W) in [-1, 1]; one with a NaN in it is unknown, as all are for ``None``.
            size: (h, w) of the token grid.
            batch: number of pictures B.
            strength: what features are multiplied by; those of an unknown picture are zero.

        Returns:
            (B, h, w, n_embd), by the number of the block.
        """
        weight = self.shared[0].weight
        assert isinstance(weight, Tensor)
        nothing = weight.new_zeros(batch, *size, weight.shape[0])
        if pictures is None:
            return {int(layer): nothing for layer in self.injections}
        known = pictures.isfinite().flatten(1).all(1)
        # those that are unknown are encoded like the others: picking rows would make a GPU wait
        control = self.control(pictures.to(weight).where(known[:, None, None, None], 0))
        seen = self.shared(control) * known[:, None, None, None]
        return {int(layer): strength * inject(seen) for layer, inject in self.injections.items()}

    def control(self, pictures: Tensor) -> Tensor:
        """What is seen of pictures: (B, 3, H, W) in [-1, 1] -> (B, h, w, n_embd)."""
        features: Tensor = self.to_width(self.encoder(pictures))
        return features


def projection(in_features: int, out_features: int) -> nn.Sequential:
    """Two linear layers without biases: zero stays zero."""
    return nn.Sequential(
        Linear(in_features, out_features, bias=False),
        nn.GELU(approximate="tanh"),
        Linear(out_features, out_features, bias=False),
    )


def _write_published_names(module: nn.Module, state: dict[str, Tensor], prefix: str, _: Any) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        state[published_name(name)] = state.pop(name)


def _read_either_names(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    model = module.model
    assert isinstance(model, nn.Module)
    names: Mapping[str, str] = {published_name(name): name for name, _ in model.named_parameters(f"{prefix}model")}
    for name in [name for name in state if name.startswith(prefix)]:
        state[names.get(published_name(name), name)] = state.pop(name)
