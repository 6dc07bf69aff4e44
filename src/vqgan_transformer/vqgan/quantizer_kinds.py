"""The kinds of quantizers by the names that ``VQGANConfig.quantizer`` takes: a new kind is a file and a line here."""

from __future__ import annotations

from .finite_scalar import FiniteScalarQuantizer
from .inner_product import InnerProductQuantizer
from .quantizer import GumbelQuantizer, NearestQuantizer, Quantizer

__all__ = ["QUANTIZERS"]

QUANTIZERS: dict[str, type[Quantizer]] = {
    "nearest": NearestQuantizer,
    "gumbel": GumbelQuantizer,
    "inner_product": InnerProductQuantizer,
    "fsq": FiniteScalarQuantizer,
}
