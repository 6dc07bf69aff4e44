"""How good a checkpoint is, and which part of it is at fault."""

from __future__ import annotations

from ..contact_sheet import contact_sheet
from .diagnosis import Diagnosis, diagnose

__all__ = ["Diagnosis", "contact_sheet", "diagnose"]
