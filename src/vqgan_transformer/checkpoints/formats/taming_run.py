"""A training run of the original: its file of weights, and the yaml config that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import CheckpointError
from ...storage.weights import StoredTensor
from ...vqgan.model import VQGANConfig
from .family import Tensors
from .opened import Opened
from .original_vqgan import vqgan_from
from .yaml_section import Section

__all__ = ["STAGES", "Run"]

STAGES = {"image": "first_stage_model.", "condition": "cond_stage_model."}


@dataclass(frozen=True)
class Run:
    """A checkpoint and the config that goes with it.

    Attributes:
        opened: the file.
        document: the config; ``None`` if there is none.
    """

    opened: Opened
    document: Section | None

    @property
    def model(self) -> Section | None:
        """The config's section "model"."""
        return self.document.section("model") if self.document is not None else None

    @property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """By the original's names, not read yet."""
        return self.opened.tensors

    @property
    def is_transformer(self) -> bool:
        """Whether it holds a GPT beside VQGANs."""
        return "transformer.tok_emb.weight" in self.tensors

    def stage(self, stage: str) -> tuple[VQGANConfig, Tensors]:
        """The VQGAN of a transformer's run, of its "image" or its "condition"."""
        tensors = self.opened.below(STAGES[stage])
        section = self.model.section("params") if self.model is not None else None
        names = {"image": "first_stage_config", "condition": "cond_stage_config"}
        shared = section is not None and section.data.get(names[stage]) == "__is_first_stage__"
        if shared and not tensors:
            tensors = self.opened.below(STAGES["image"])
        if "quant_conv.weight" not in tensors:
            raise CheckpointError(f"{self.opened} holds no VQGAN for its {stage} ({STAGES[stage]}…).")
        section = section.section(names["image" if shared else stage]) if section is not None else None
        return vqgan_from(section, tensors, self.opened)
