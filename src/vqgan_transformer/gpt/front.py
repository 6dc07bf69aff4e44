"""What a condition becomes before tokens are read: positions in front of them, and what goes along with all positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from .norms import Modulation

__all__ = ["Along", "Front"]


@dataclass(frozen=True)
class Front:
    """A batch's condition as a model with windows reads it.

    Attributes:
        embeddings: (B, C, n_embd), the positions in front.
        visible: bool (B, C), which of them other positions see; ``None`` for all.
        modulation: of the norms; ``None`` for none.
        features: by the number of the block, (B, h, w, n_embd), added at the position that predicts each place.
    """

    embeddings: Tensor
    visible: Tensor | None = None
    modulation: Modulation | None = None
    features: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """C."""
        return self.embeddings.shape[1]

    @property
    def places(self) -> int | None:
        """Number of places that the features are for; ``None`` without features."""
        sizes = [added.shape[1] * added.shape[2] for added in self.features.values()]
        return sizes[0] if sizes else None

    def along(self) -> Along:
        """What goes along with the positions of the sequence, those in front included."""
        # the last position in front predicts the first place
        features = {
            layer: F.pad(added.flatten(1, 2), (0, 0, self.length - 1, 0)) for layer, added in self.features.items()
        }
        return Along(self.visible, self.modulation, features)


@dataclass(frozen=True)
class Along:
    """What goes along with the positions of a sequence, whatever its tokens are.

    Attributes:
        visible: as in :class:`Front`.
        modulation: likewise.
        features: by the number of the block, (B, positions, n_embd).
    """

    visible: Tensor | None = None
    modulation: Modulation | None = None
    features: Mapping[int, Tensor] = field(default_factory=dict)

    def rows(self, rows: Sequence[int]) -> Along:
        """That of some rows; a row may be taken several times."""
        if self.visible is None and self.modulation is None and not self.features:
            return self
        return Along(
            None if self.visible is None else taken(self.visible, rows),
            None if self.modulation is None else self.modulation.rows(rows),
            {layer: taken(added, rows) for layer, added in self.features.items()},
        )

    def mask(self, seen: Tensor) -> Tensor:
        """Which keys are seen by whom: ``seen``, bool (queries, keys), but what is invisible by itself alone.

        The queries are the last of the keys' positions, those in front included.

        Returns:
            bool (B or 1, 1, queries, keys).
        """
        if self.visible is None:
            return seen[None, None]
        queries, keys = seen.shape
        shown = self.visible[:, :keys]
        shown = F.pad(shown, (0, keys - shown.shape[1]), value=True)[:, None]  # (B, 1, keys)
        itself = torch.ones_like(seen).tril(keys - queries).triu(keys - queries)
        return ((shown & seen) | itself)[:, None]


def taken(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """Rows of a tensor, picked by views: a list as an index would be uploaded to the device."""
    return torch.stack([tensor[row] for row in rows])
