"""The folder of a run: its settings, metrics and checkpoints. Whatever is written is there whole or not at all.

training.json             the settings
metrics.jsonl             a line every `log_every` steps, and one for each validation
pictures/step_*.png       input | condition | reconstruction or sample
curves.png                the losses, at the end
checkpoints/step_*/       everything a run needs to go on: weights, optimizers, averages
best/                     the model that was best on the validation data
config.json, …            the result, beside them: `from_pretrained` takes the run folder
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, nearest_name
from ..storage.config_json import read_json, to_json
from .settings import Training

__all__ = ["RunFolder"]

SETTINGS, METRICS, PROGRESS, STATE = "training.json", "metrics.jsonl", "progress.json", "state.pt"


class RunFolder:
    """Reads and writes a run's files.

    Args:
        path: of the folder.
        resume: whether to go on with a run that is there.
        is_main: whether this is the process that writes.

    Raises:
        FileExistsError: for a folder with a run in it, unless it is to be resumed.
    """

    def __init__(self, path: str | os.PathLike[str], resume: bool, is_main: bool = True) -> None:
        self.path = Path(path).expanduser()
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file; give the path of a folder for the run.")
        # only the one that writes looks, or it might find what another process has just begun
        if is_main and not resume and ((self.path / "checkpoints").exists() or (self.path / SETTINGS).exists()):
            raise FileExistsError(
                f"{self.path} holds a run already: pass resume=True to go on with it, or another folder."
            )

    def begin(self, training: Training, facts: dict[str, Any]) -> None:
        """Writes the settings, or compares them with those of the run that is resumed.

        Raises:
            ValueError: where a setting differs that the numbers depend on.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        described = json.loads(json.dumps({**facts, "training": to_json(training)}))
        path = self.path / SETTINGS
        if path.exists() and self.checkpoints():
            before = read_json(path)
            old, new = before.get("training", {}), described["training"]
            changed = [name for name in new if name not in training.OPERATIONAL and old.get(name) != new[name]]
            changed += [name for name in facts if before.get(name) != described[name]]
            if changed:
                shown = ", ".join(f"{n} (was {old.get(n, before.get(n))})" for n in changed)
                raise ValueError(f"a resumed run goes on as it began, but these settings differ: {shown}.")
        _write(path, json.dumps(described, indent=2) + "\n")

    def checkpoints(self) -> list[Path]:
        """The checkpoints there are, oldest first."""
        return sorted((self.path / "checkpoints").glob("step_*"))

    def last(self) -> tuple[int, Path] | None:
        """The newest checkpoint and the number of steps behind it."""
        found = self.checkpoints()
        return (int(found[-1].name.removeprefix("step_")), found[-1]) if found else None

    @contextmanager
    def new_checkpoint(self, step: int, is_main: bool, limit: int | None) -> Iterator[Path]:
        """A draft folder that becomes the checkpoint of a step at the end; then older ones beyond the limit go."""
        target = self.path / "checkpoints" / f"step_{step:08d}"
        draft = target.with_name(f".{target.name}.partial")
        if is_main:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
        yield draft
        if is_main:
            shutil.rmtree(target, ignore_errors=True)
            os.rename(draft, target)
            for old in self.checkpoints()[: -limit if limit else 0]:
                shutil.rmtree(old, ignore_errors=True)

    def log(self, record: dict[str, Any]) -> None:
        """Adds a line to the metrics."""
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of the metrics."""
        path = self.path / METRICS
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def forget_after(self, step: int) -> None:
        """Drops the metrics of steps that a resumed run will take again."""
        path = self.path / METRICS
        if not path.exists():
            return
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    lines.append(line + "\n")
            except ValueError:
                continue  # the line that was being written when the run was killed
        _write(path, "".join(lines))


def save_state(folder: Path, progress: dict[str, Any], state: dict[str, Any]) -> None:
    """Writes what accelerate does not know of."""
    torch.save(state, folder / STATE)
    _write(folder / PROGRESS, json.dumps(progress) + "\n")


def load_state(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads what :func:`save_state` wrote; nothing in it is executed.

    Raises:
        CheckpointError: for a damaged checkpoint.
    """
    try:
        return read_json(folder / PROGRESS), torch.load(folder / STATE, map_location="cpu", weights_only=True)
    except Exception as error:
        others = nearest_name(folder.name, [path.name for path in folder.parent.glob("step_*") if path != folder])
        raise CheckpointError(
            f"the checkpoint {folder} is damaged ({error}). Delete it to resume from an older one.{others}"
        ) from error


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.partial")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
