"""Linear layers that are fast for the one to four rows of a sampler's step, too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Linear"]

FEW = 4
"""Rows up to which W·xᵀ is faster than x·Wᵀ on a CPU (docs/sampling.md has the times)."""


class Linear(nn.Linear):
    """``nn.Linear``, with another order of the product for few rows.

    A step of one token is bound by reading the weights. A CPU's matrix product reads them up to twice as slowly where
    they are the second factor and the first has few rows. So for few rows they are made the first factor, in float32
    and where no gradient is asked for. The result differs by rounding only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        rows = input.numel() // self.in_features
        wanted = input.dtype == torch.float32 and input.device.type == "cpu" and not torch.is_grad_enabled()
        # a single row gains where the layer widens, as one of two: a product with a vector takes the slow way
        if not wanted or not (2 <= rows <= FEW or (rows == 1 and self.out_features >= self.in_features)):
            return super().forward(input)
        x = input.reshape(rows, self.in_features)
        x = (x if rows > 1 else x.repeat(2, 1)).t()
        product = self.weight @ x if self.bias is None else torch.addmm(self.bias[:, None], self.weight, x)
        return product.t()[:rows].contiguous().view(*input.shape[:-1], self.out_features)
