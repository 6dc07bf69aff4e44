"""LabelPlanner: a coarse label map of a whole picture, drawn first where nothing says what is where in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conditions import Condition, CoordinatesCondition, SegmentationCondition
from ..conditions.label_scaling import scaled_smoothly
from ..geometry import Canvas, Size
from ..gpt.condition_input import ConditionInput
from ..gpt.config import CondGPTConfig
from ..gpt.model import CondGPT
from ..sampler.sampler import SlidingWindowSampler
from ..sampler.seeds import plan_seed
from .gpt_inputs import AnyConditions

__all__ = ["LabelPlanner", "planner_config"]

FACTOR = 2
"""Pixels of a map of coordinates for each cell of a plan, along each side: the fewest that an aligned GPT reads."""

LEAST_COLUMNS = 4
"""Columns of the plan of a very tall picture."""

PLACES = CoordinatesCondition(None, downsample_factor=FACTOR)
"""Tells a planner the row and the column of each cell in the picture."""

SAMPLER = SlidingWindowSampler(min_p=0.005)
"""How plans are drawn; the settings of a call are about the tokens of the picture."""

SELDOM = 0.005
"""A label lies below another by mistake in plans where so few of those with both have it."""


class LabelPlanner(CondGPT):
    """An aligned GPT over labels: the token of a cell is its label, a plan is a grid of cells over the whole picture.

    A GPT that follows a label map sees a few hundred pixels around a place, and so it cannot know that there is a sky above
    the ground that it draws. A planner sees the whole place at once. It reads the coordinates of cells, and what is of the
    picture as a whole, such as its class (:func:`planner_config`).

    Single cells go astray now and then: a cell of mountain in the sky. What never lies below what is therefore known of the plans
    that were trained on, and held (:func:`in_order`).

    Attributes:
        below: bool (labels, labels); whether the second label may lie below the first in a column. All, before training.
    """

    below: Tensor

    def __init__(self, config: CondGPTConfig):
        super().__init__(config)
        self.register_buffer("below", torch.ones(config.vocab_size, config.vocab_size, dtype=torch.bool))

    def learn_order(self, plans: Tensor) -> None:
        """Learns what lies below what; any label may lie below itself.

        Args:
            plans: int64 (N, rows, columns).
        """
        count = self.config.vocab_size
        present, seen = (torch.zeros(count, count, device=self.below.device) for _ in range(2))
        for some in torch.split(plans, 256):
            here = F.one_hot(some, count).float()  # (N, rows, columns, labels)
            above = (here.cumsum(1) - here).clamp(max=1)
            seen += (torch.einsum("nija, nijb -> nab", above, here) > 0).sum(0)
            there = here.amax((1, 2))
            present += there.T @ there
        self.below = (seen > SELDOM * present) | torch.eye(count, device=seen.device).bool()

    def check_parts(self, gpt: CondGPT, conditions: Sequence[Condition]) -> None:
        """Refuses a pipeline whose GPT cannot follow the plans, or whose conditions say something else.

        Raises:
            ValueError: that says what does not fit.
        """
        by_name = {condition.name: condition for condition in conditions}
        labels = by_name.get(SegmentationCondition.name)
        if gpt.config.reads_tokens or labels is None or labels.aligned_input != ("labels", self.config.vocab_size):
            raise ValueError(
                f"the planner draws maps of {self.config.vocab_size} labels: it goes with an aligned GPT that follows a "
                f"{SegmentationCondition.name} condition of as many."
            )
        for kind in self.config.conditions:
            reader = PLACES if kind.name == PLACES.name else by_name.get(kind.name)
            if reader is None or reader.aligned_input != (kind.form, kind.size):
                raise ValueError(
                    f"the planner reads {kind.name} ({kind.form} of {kind.size}), which the conditions do not give."
                )

    def grid(self, size: Size) -> tuple[int, int]:
        """Rows and columns of the plan of a picture of (height, width) pixels; its cells are about square."""
        rows = self.config.window[0]
        return rows, max(LEAST_COLUMNS, round(rows * size[1] / size[0]))

    @torch.no_grad()
    def plan(
        self, conditions: Sequence[Condition], followed: Mapping[str, Tensor], size: Size, seeds: Sequence[int]
    ) -> dict[str, Tensor]:
        """Label maps for pictures, each a function of its own seed.

        Args:
            conditions: of the pipeline.
            followed: what the pictures follow besides, by the condition's name.
            size: (height, width) of the pictures in pixels.
            seeds: of the pictures.

        Returns:
            int64 (B, height, width) under the name of the segmentation, as its ``parse`` gives it.
        """
        by_name = {condition.name: condition for condition in conditions}
        names = {kind.name for kind in self.config.conditions} - {PLACES.name}
        grid = self.grid(size)
        inputs = AnyConditions([condition for condition in conditions if condition.name in names])
        whole = inputs.read({name: followed[name] for name in names & followed.keys()}, self._canvas(grid), seeds)
        labels = by_name[SegmentationCondition.name]
        cells = self.cells(whole | self.places(len(seeds), grid), grid, seeds).cpu()
        return {labels.name: labels.from_aligned(scaled_smoothly(cells, size))}

    def cells(self, condition: Mapping[str, Tensor], grid: tuple[int, int], seeds: Sequence[int]) -> Tensor:
        """Draws plans of rows × columns under what they follow, one for each picture's seed: int64 (B, rows, columns)."""
        return in_order(SAMPLER(self, condition, grid, seed=[plan_seed(seed) for seed in seeds]), self.below)

    def places(self, count: int, grid: tuple[int, int], device: torch.device | str | None = None) -> dict[str, Tensor]:
        """The coordinates of cells as the planner reads them: float32 (count, 2, 2·rows, 2·columns) by their name."""
        maps = PLACES.default(self._canvas(grid).size).to(device)
        return {PLACES.name: maps.expand(count, -1, -1, -1)}

    def _canvas(self, grid: tuple[int, int]) -> Canvas:
        return Canvas((grid[0] * FACTOR, grid[1] * FACTOR), FACTOR, self.config.window)


def planner_config(labels: Condition, whole: Sequence[Condition] = (), **sizes: Any) -> CondGPTConfig:
    """The config of a planner.

    Args:
        labels: the label map that is planned, as a condition of aligned GPTs.
        whole: the kinds of condition that plans follow; of the picture as a whole, such as its class.
        **sizes: further fields, e.g. ``n_embd=128`` or ``window=(16, 16)``, rows and columns of the plan of a square.

    Raises:
        ValueError: for conditions that are read otherwise, and fields that do not fit each other.
    """
    form, count = labels.aligned_input or ("nothing", 0)
    if form != "labels":
        raise ValueError(f"a plan is a label map that an aligned GPT reads; {labels.name} is none.")
    if placed := [condition.name for condition in whole if condition.says_where]:
        raise ValueError(f"a planner follows what is of the picture as a whole, not {' and '.join(placed)}.")
    read = [entry for condition in (*whole, PLACES) for entry in condition.aligned_inputs]
    fields: dict[str, Any] = {
        "vocab_size": count,
        "n_layer": 4,
        "n_head": 4,
        "n_embd": 112,
        "window": (16, 16),
        "conditioning": "aligned",
        "position": "rope2d",
        "attention": "local",
        "rows_above": 8,
        "columns_beside": 6,
        "conditions": tuple(ConditionInput(**entry) for entry in read),
        "downsample_factor": FACTOR,
        "condition_width": 64,
        "condition_depth": 0,
    }
    return CondGPTConfig(**{**fields, **sizes})


def in_order(plans: Tensor, below: Tensor) -> Tensor:
    """Plans in which no label lies below one that it may not lie below, as far as a few changes of cells can reach.

    In each column the cell that is at odds with the most others, or of several such cells the one that has the fewest neighbours
    of its label, takes the label of that neighbour with which the column is in the best order; again and again.

    Args:
        plans: int64 (B, rows, columns).
        below: bool (labels, labels), as :class:`LabelPlanner` has it.
    """
    plans, rows = plans.clone(), plans.shape[1]
    number = torch.arange(rows, device=plans.device)
    over = number[:, None] < number

    def odds(cells: Tensor) -> Tensor:
        """With how many others of its column each cell is at odds: (..., rows) -> (..., rows)."""
        pairs = ~below[cells[..., :, None], cells[..., None, :]] & over
        return pairs.sum(-1) + pairs.sum(-2)

    for _ in range(2 * rows):
        cells = plans.transpose(1, 2)  # (B, columns, rows)
        if not (wrong := odds(cells)).any():
            break
        beside = F.pad(cells[:, None].float(), (1, 1, 1, 1), mode="replicate")[:, 0].long()
        neighbours = torch.stack((beside[:, 1:-1, :-2], beside[:, 1:-1, 2:], beside[:, :-2, 1:-1], beside[:, 2:, 1:-1]))
        alone = (neighbours != cells).sum(0)
        worst = (wrong * (len(neighbours) + 1) + alone * (wrong > 0)).argmax(-1, keepdim=True)
        # (4, B, columns, rows): the column with each neighbour's label in the place of its worst cell
        tried = torch.stack([cells.scatter(-1, worst, labels.gather(-1, worst)) for labels in neighbours])
        best = odds(tried).sum(-1).argmin(0)[None, ..., None].expand(1, *cells.shape)
        changed = tried.gather(0, best)[0]
        plans = changed.where(wrong.any(-1, keepdim=True), cells).transpose(1, 2)
    return plans
