"""The kinds of quantizers by the names that ``VQGANConfig.quantizer`` takes: a new kind is a file and its name here."""

from __future__ import annotations

from typing import Literal

from .finite_scalar import FiniteScalarQuantizer
from .inner_product import InnerProductQuantizer
from .lookup_free import LookupFreeQuantizer
from .quantizer import GumbelQuantizer, NearestQuantizer, Quantizer

__all__ = ["QUANTIZERS", "QuantizerKind"]

QuantizerKind = Literal["nearest", "gumbel", "inner_product", "fsq", "lookup_free"]

QUANTIZERS: dict[QuantizerKind, type[Quantizer]] = {
    "nearest": NearestQuantizer,
    "gumbel": GumbelQuantizer,
    "inner_product": InnerProductQuantizer,
    "fsq": FiniteScalarQuantizer,
    "lookup_free": LookupFreeQuantizer,
}
