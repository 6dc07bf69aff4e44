"""Linear layers for few rows."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vqgan_transformer.gpt.linear import Linear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 3), (4,), (5, 1), (2, 40), (0, 1)], ids=str)
@pytest.mark.parametrize("widths", [(8, 24), (24, 8), (8, 8)], ids=str)
def test_the_order_of_the_product_does_not_show(shape, widths, bias):
    torch.manual_seed(0)
    layer, x = Linear(*widths, bias=bias), torch.randn(*shape, widths[0])
    with torch.no_grad():
        few = layer(x)
    expected = F.linear(x.double(), layer.weight.double(), None if layer.bias is None else layer.bias.double())
    assert few.is_contiguous()
    assert few.shape == expected.shape
    assert torch.allclose(few.double(), expected, atol=1e-5)


def test_gradients_are_those_of_a_linear_layer():
    layer, x = Linear(8, 24), torch.randn(2, 8, requires_grad=True)
    layer(x).sum().backward()
    assert torch.allclose(x.grad, layer.weight.sum(0).expand(2, 8), atol=1e-6)
