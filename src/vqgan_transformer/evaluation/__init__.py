"""How good a checkpoint is, and which part of it is at fault."""

from __future__ import annotations

from ..contact_sheet import contact_sheet
from ..pipeline.diagnosis_report import Diagnosis
from .diagnosis import diagnose
from .faithfulness import evaluate_faithfulness
from .generation import evaluate_generation, write_reference
from .reconstruction import evaluate_reconstruction
from .result import EvaluationResult, FaithfulnessResult, GenerationResult, ReconstructionResult
from .sample_folder import generate_samples, write_npz

__all__ = [
    "Diagnosis",
    "EvaluationResult",
    "FaithfulnessResult",
    "GenerationResult",
    "ReconstructionResult",
    "contact_sheet",
    "diagnose",
    "evaluate_faithfulness",
    "evaluate_generation",
    "evaluate_reconstruction",
    "generate_samples",
    "write_npz",
    "write_reference",
]
