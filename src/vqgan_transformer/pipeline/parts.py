"""The parts of a pipeline: a VQGAN, a GPT, a sampler and conditions that belong together."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from ..conditions import Condition
from ..gpt.model import CondGPT
from ..sampler.sampler import SlidingWindowSampler
from ..vqgan.model import VQGAN
from .gpt_inputs import AnyConditions, gpt_inputs
from .planner import LabelPlanner

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PipelineParts"]

MOST_LABELS = 200
"""Labels of a condition that a model card lists."""


class PipelineParts:
    """Parts that fit each other.

    Args:
        vqgan: decodes the tokens that are drawn.
        gpt: scores them.
        sampler: draws them; the paper's settings by default.
        conditions: what turns a user's input into what the GPT reads, e.g. ``(SegmentationCondition(...),)``.
        planner: draws a coarse label map first, where a call gives nothing that says what is where.

    Attributes:
        bar: options of progress bars (:meth:`set_progress_bar_config`).

    Raises:
        ValueError: where the parts do not fit each other.
    """

    bar: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        vqgan: VQGAN,
        gpt: CondGPT,
        sampler: SlidingWindowSampler | None = None,
        conditions: Sequence[Condition] = (),
        planner: LabelPlanner | None = None,
    ):
        self.vqgan = vqgan
        self.gpt = gpt
        self.sampler = sampler if sampler is not None else SlidingWindowSampler()
        self.conditions = tuple(conditions)
        self.planner = planner
        if vqgan.codebook_size > gpt.config.vocab_size:
            raise ValueError(
                f"the VQGAN has {vqgan.codebook_size} codes, but the GPT's vocabulary only {gpt.config.vocab_size}."
            )
        names = [condition.name for condition in self.conditions]
        if len(set(names)) < len(names):
            raise ValueError(f"each kind of condition may be given once, got {names}.")
        self.inputs.check_parts(vqgan, gpt)
        if planner is not None:
            planner.check_parts(gpt, self.conditions)

    def condition(self, name: str) -> Condition:
        """The condition of a name, e.g. "segmentation".

        Raises:
            KeyError: for one that this checkpoint does not have.
        """
        by_name = {condition.name: condition for condition in self.conditions}
        if name not in by_name:
            raise KeyError(f"this checkpoint has the conditions {sorted(by_name)}, not {name!r}.")
        return by_name[name]

    @property
    def inputs(self) -> AnyConditions:
        """What the GPT reads of the conditions."""
        return gpt_inputs(self.gpt, self.conditions)

    @property
    def components(self) -> dict[str, Any]:
        """The parts by their names, conditions as "conditions/segmentation"."""
        planner = {} if self.planner is None else {"planner": self.planner}
        conditions = {f"conditions/{condition.name}": condition for condition in self.conditions}
        return {"vqgan": self.vqgan, "gpt": self.gpt, **planner, "sampler": self.sampler, **conditions}

    def with_settings(self, **settings: Any) -> Self:
        """A copy that shares the models and draws with other settings; names and ranges as in ``SamplerConfig``."""
        changed = copy.copy(self)
        changed.sampler = self.sampler.with_settings(**settings)
        return changed

    def set_progress_bar_config(self, **options: Any) -> None:
        """How bars look, or that there are none: options of ``tqdm``, e.g. ``disable=True`` or ``leave=False``."""
        self.bar = options

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves all models to a device and/or dtype, as ``nn.Module.to``; returns the pipeline."""
        for part in self.components.values():
            if isinstance(part, torch.nn.Module):
                part.to(*args, **kwargs)
        return self

    def cuda(self, device: int | str | torch.device | None = None) -> Self:
        """Moves all models to a GPU; returns the pipeline."""
        return self.to(torch.device("cuda", device) if isinstance(device, int) else device or "cuda")

    def cpu(self) -> Self:
        """Moves all models to the CPU; returns the pipeline."""
        return self.to("cpu")

    def half(self) -> Self:
        """Casts all models to float16; returns the pipeline. bfloat16 (``to(torch.bfloat16)``) overflows less easily."""
        return self.to(torch.float16)

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.gpt.head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the models' weights."""
        return self.gpt.head.weight.dtype

    @property
    def facts(self) -> dict[str, str]:
        """What a model card says: how to paint, options and labels of each condition, settings."""
        asked = [condition for condition in self.conditions if condition.needs_input]
        call = f"`pipe({f'{asked[0].name}=…' if asked else ''}).images[0]`"
        facts = {"painting": f"{call}; without a map, `size=(height, width)`"}
        for condition in self.conditions:
            said = [f"`{name}=`" for name in condition.option_names]
            labels = getattr(condition.config, "labels", None) or ()
            more = f" … ({len(labels)} in all)" if len(labels) > MOST_LABELS else ""
            facts[f"{condition.name}="] = "; ".join(
                filter(None, (", ".join(labels[:MOST_LABELS]) + more, "options " + ", ".join(said) if said else ""))
            )
        settings = asdict(self.sampler.config).items()
        return facts | {"settings": ", ".join(f"{name}={value}" for name, value in settings)}

    def __repr__(self) -> str:
        codes, factor, window = self.vqgan.codebook_size, self.vqgan.downsample_factor, self.gpt.config.window
        lines = [
            f"{type(self).__name__} on {self.device} in {self.dtype}",
            f"  vqgan: {_millions(self.vqgan)}, {codes} codes, a token stands for {factor}×{factor} pixels",
            f"  gpt: {_millions(self.gpt)}, {self.gpt.config.conditioning}, trained on {window[0]}×{window[1]} tokens",
            *([] if self.planner is None else [f"  planner: {_millions(self.planner)}"]),
            f"  sampler: {', '.join(f'{name}={value}' for name, value in asdict(self.sampler.config).items())}",
            "  conditions:",
        ]
        for condition in self.conditions:
            options = ", ".join(f"{name}=" for name in condition.option_names)
            lines.append(f"    {condition.name}=" + f", with {options}" * bool(options))
            lines += [f"      {condition.known}"] * bool(condition.known)
        return "\n".join(lines)


def _millions(model: torch.nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f} M parameters"
