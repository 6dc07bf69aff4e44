"""A training loop that is measured in minutes, survives being stopped, and knows nothing of what it trains."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

SECONDS_BETWEEN_SAVES = 120
STEPS_BETWEEN_LINES = 50


class Stateful(Protocol):
    """Anything with a state to save: modules, optimizers."""

    def state_dict(self) -> dict[str, Any]:
        """What to save."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Takes it back."""
        ...


def train(
    name: str, folder: Path, minutes: float, parts: Mapping[str, Stateful], step: Callable[[float], dict[str, float]]
) -> None:
    """Calls `step(progress)` until `minutes` of training are over, counted across interruptions.

    Args:
        name: Of the files: `<name>.pt` holds the state, `<name>.jsonl` the log.
        folder: Where they are; if the state is there, training goes on from it.
        minutes: Of training in all.
        parts: What is saved and restored.
        step: One update; takes the share of the time that is over, in [0, 1), returns what to log.
    """
    path, log = folder / f"{name}.pt", folder / f"{name}.jsonl"
    elapsed, steps = _restore(path, parts)
    last_save = last_time = time.perf_counter()
    sums: dict[str, float] = {}
    while elapsed < 60 * minutes:
        for key, value in step(elapsed / (60 * minutes)).items():
            sums[key] = sums.get(key, 0.0) + value / STEPS_BETWEEN_LINES
        now = time.perf_counter()
        elapsed, last_time, steps = elapsed + now - last_time, now, steps + 1
        if steps % STEPS_BETWEEN_LINES == 0:
            line = {"steps": steps, "minutes": elapsed / 60} | sums
            line = {key: float(f"{value:.5g}") for key, value in line.items()}
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(name, line, flush=True)
            sums = {}
        if now - last_save > SECONDS_BETWEEN_SAVES:
            _save(path, parts, elapsed, steps)
            last_save = last_time = time.perf_counter()  # saving is not training
    _save(path, parts, elapsed, steps)


def learning_rate(progress: float, peak: float) -> float:
    """Three hundredths of warm-up, a plateau, and a straight way down over the last 40 %."""
    return peak * min(1.0, (progress + 0.001) / 0.03, max(0.01, (1 - progress) / 0.4))


def load_weights(path: Path, part: str) -> dict[str, torch.Tensor]:
    """The state of one part of a saved run."""
    return torch.load(path, map_location="cpu", weights_only=True)[part]


def _restore(path: Path, parts: Mapping[str, Stateful]) -> tuple[float, int]:
    if not path.exists():
        return 0.0, 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    print(f"{path.stem}: goes on after {state['elapsed'] / 60:.1f} minutes, {state['steps']} steps", flush=True)
    return state["elapsed"], state["steps"]


def _save(path: Path, parts: Mapping[str, Stateful], elapsed: float, steps: int) -> None:
    state = {name: part.state_dict() for name, part in parts.items()} | {"elapsed": elapsed, "steps": steps}
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)  # a run that is stopped here leaves the old state or the new one, never half of one
