"""What a dictionary of conditions adds at each place, and what of it stands in front of all places.

Features of a place are added to the input of chosen blocks, at the position from which the token of that place is
predicted. A caption's embeddings are projected and stand in front of the image's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .condition_encoder import ConditionEncoder
from .condition_input import ConditionInput
from .config import CondGPTConfig
from .picture_encoder import PictureFeatures, projection

__all__ = ["Caption", "DictionaryInput"]


class Caption(nn.Module):
    """Embeddings that stand in front, projected to the width of the GPT; a learned caption stands for none.

    Args:
        kind: of the form "embeddings".
        width: of the GPT.
    """

    def __init__(self, kind: ConditionInput, width: int):
        super().__init__()
        self.name = kind.name
        self.empty = nn.Parameter(torch.randn(kind.length or 0, kind.size) / kind.size**0.5)
        self.project = projection(kind.size, width)

    def forward(self, conditions: Mapping[str, Tensor], batch: int, strength: float) -> Tensor:
        """(B, length, size) under the kind's name, if there -> (B, length, n_embd).

        Of strength 0 a caption counts as if it were unknown, of strength 1 as in training.
        """
        none = self.empty.expand(batch, -1, -1)
        if self.name not in conditions:
            return self.projected(none)
        given = conditions[self.name].to(self.empty)
        seen = self.projected(given.where(given.isfinite().flatten(1).all(1)[:, None, None], none))
        return seen if strength == 1 else torch.lerp(self.projected(none), seen, strength)

    def projected(self, embeddings: Tensor) -> Tensor:
        """(B, length, size) -> (B, length, n_embd)."""
        projected: Tensor = self.project(embeddings)
        return projected


class DictionaryInput(nn.Module):
    """The parameters with which a model reads a dictionary of conditions.

    Args:
        config: of the GPT.

    Attributes:
        row_start: with local attention, what stands for the token to the left of a row's first.
        encoder: reads labels, values, classes and known tokens together.
        injections: by the number of the block, what projects its features to the width of the GPT.
        pictures: by name, what reads conditions of the form "picture".
        caption: reads embeddings.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        forms = {kind.form for kind in config.conditions}
        local = config.attention == "local"
        if local:
            self.row_start = nn.Parameter(0.02 * torch.randn(config.n_embd))
        encodes = local or forms & {"labels", "values", "class", "tokens"}
        self.encoder = ConditionEncoder(config) if encodes else None
        self.injections = nn.ModuleDict(
            {
                str(layer): nn.Linear(config.condition_width, config.n_embd)
                for layer in config.condition_layers
                if encodes
            }
        )
        self.pictures = nn.ModuleDict(
            {kind.name: PictureFeatures(config) for kind in config.conditions if kind.form == "picture"}
        )
        captions = [Caption(kind, config.n_embd) for kind in config.conditions if kind.form == "embeddings"]
        self.caption = captions[0] if captions else None

    def features(
        self,
        conditions: Mapping[str, Tensor],
        size: tuple[int, int],
        batch: int,
        strength: Mapping[str, float] | None = None,
        *,
        in_bands: bool = False,
    ) -> dict[int, Tensor]:
        """What is added before the blocks that take features in.

        Args:
            conditions: by name.
            size: (h, w) of the token grid.
            batch: number of pictures B.
            strength: by name, how much a condition counts.
            in_bands: encode a band of rows at a time, so that little memory is needed besides the result.

        Returns:
            (B, h, w, n_embd), by the number of the block.
        """
        strength = strength or {}
        features: dict[int, Tensor] = {}
        if self.encoder is not None:
            encode = self.encoder.in_bands if in_bands else self.encoder
            encoded = encode(conditions, size, batch, strength)
            features = {int(layer): inject(encoded) for layer, inject in self.injections.items()}
        for name, read in self.pictures.items():
            for layer, added in read(conditions.get(name), size, batch, strength.get(name, 1.0)).items():
                features[layer] = features[layer] + added if layer in features else added
        return features
