"""Label maps reduced to plans: what a planner learns to draw."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from ..conditions import Condition
from ..conditions.label_maps import fill_unlabelled
from ..errors import collect_notices
from .data import DataError, Source
from .samples import random_numbers
from .settings import GPTTraining

__all__ = ["PlanSamples", "coarse_plan"]


@dataclass(frozen=True)
class PlanSamples(Dataset[Any]):
    """The plans of a source's label maps, addressed by (epoch, index), with what each picture is as a whole.

    An item is a dictionary: "tokens" int64 (rows, columns), and for each condition of the whole picture what its ``parse``
    gives, without the batch axis.

    Attributes:
        plans: int64 (N, rows, columns).
        whole: the rows of each condition, by name.
        training: whether its ``flip`` mirrors every other plan.
    """

    plans: Tensor
    whole: dict[str, Tensor]
    training: GPTTraining

    @classmethod
    def of(
        cls,
        source: Source,
        labels: Condition,
        whole: Sequence[Condition],
        grid: tuple[int, int],
        training: GPTTraining,
    ) -> PlanSamples:
        """Reads all label maps of a source.

        Args:
            source: of the samples.
            labels: the label map.
            whole: the other conditions.
            grid: rows and columns of a plan.
            training: the recipe.

        Raises:
            DataError: that names each sample that cannot be read, and why.
        """

        def read(index: int) -> tuple[Tensor, list[Tensor]] | str:
            try:
                with collect_notices():
                    sample = source[index]
                    plan = coarse_plan(labels, labels.read_sample(sample), grid)
                    return plan, [torch.as_tensor(kind.read_sample(sample)) for kind in whole]
            except (ValueError, TypeError, OSError, KeyError) as error:
                return f"{source.names[index]}: {error}"

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(read, range(len(source))))
        if problems := [result for result in results if isinstance(result, str)]:
            raise DataError(f"{len(problems)} of {len(results)} samples cannot be used:", problems)
        plans, rows = zip(*(result for result in results if not isinstance(result, str)), strict=True)
        columns = {kind.name: torch.stack(column) for kind, column in zip(whole, zip(*rows, strict=True), strict=True)}
        return cls(torch.stack(plans), columns, training)

    def __len__(self) -> int:
        return len(self.plans)

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        epoch, index = place
        plan = self.plans[index]
        if self.training.flip and epoch >= 0 and random_numbers(self.training.seed, 1, epoch, index).random() < 0.5:
            plan = plan.flip(-1)
        return {"tokens": plan} | {name: rows[index] for name, rows in self.whole.items()}


def coarse_plan(labels: Condition, parsed: Tensor, grid: tuple[int, int]) -> Tensor:
    """The label that most of each cell has, in the numbers of an aligned GPT; people are left out, and filled from around.

    Of a map that is not square, in proportion to the grid, the middle is read.

    Args:
        labels: the label map as a condition.
        parsed: int64 (H, W), as its ``read_sample`` gives it.
        grid: rows and columns of the plan.

    Returns:
        int64 (rows, columns).

    Raises:
        ValueError: for a map of people alone, or without labels.
    """
    channels = labels.for_aligned(parsed[None])[0]
    if labels.person_label is not None:
        person = labels.for_aligned(torch.tensor([[[labels.person_label]]]))
        channels = channels.masked_fill(channels == person[0, 0, 0], -1)
    scale = min(channels.shape[0] / grid[0], channels.shape[1] / grid[1])
    height, width = (max(1, round(scale * side)) for side in grid)
    top, left = (channels.shape[0] - height) // 2, (channels.shape[1] - width) // 2
    middle = channels[top : top + height, left : left + width]
    present = sorted({*middle.flatten().tolist()} - {-1})
    if not present:
        raise ValueError("nothing but people, or no labels at all")
    maps = torch.stack([middle == label for label in present]).float()
    shares = F.adaptive_avg_pool2d(maps, grid)  # (labels, rows, columns)
    most, which = shares.max(0)
    return fill_unlabelled(torch.tensor(present)[which].masked_fill(most == 0, -1))
