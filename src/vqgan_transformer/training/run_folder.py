"""The folder of a run: its settings, metrics and checkpoints. Whatever is written is there whole or not at all.

training.json             the settings
metrics.jsonl             a line every `log_every` steps, and one for each validation
pictures/step_*.png       input | condition | reconstruction or sample, always of the same samples
curves.png                the losses so far
checkpoints/step_*/       a model as it would be used (`from_pretrained` takes it); in `training/`, all that the run needs to
                          go on: weights, optimizers, averages, as safetensors and JSON
best/                     the model that was best on the validation data
config.json, …            the best model so far, or the last, beside them: `from_pretrained` takes the run folder at any time
"""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from torch import nn

from ..errors import CheckpointError
from ..storage.atomic_folder import atomic_folder
from ..storage.config_json import read_json, to_json
from .settings import Training
from .state_files import load_state

__all__ = ["Diverged", "RunFolder", "former_state"]

SETTINGS, METRICS, STATE = "training.json", "metrics.jsonl", "training"

SCHEDULED = ("warmup_steps", "disc_start", "disc_warmup", "disc_ramp", "codebook_start")
"""Settings that recipes derive from ``max_steps``: what they say of a run that is extended has happened already."""

Recipe = TypeVar("Recipe", bound=Training)


class Diverged(FloatingPointError):
    """Losses or weights are no longer finite; the message says which checkpoint is the last good one."""


class RunFolder:
    """Reads and writes a run's files.

    Args:
        path: of the folder.
        resume: whether to go on with a run that is there.
        is_main: whether this is the process that writes.

    Raises:
        FileExistsError: for a folder with a run in it, unless it is to be resumed.
        OSError: for a folder that cannot be made or written to.
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
        if is_main:
            self._try_to_write()
        settings = self.path / SETTINGS
        self.former = read_json(settings) if resume and self.last() is not None and settings.exists() else None

    def _try_to_write(self) -> None:
        """Makes the folder and a file in it, before a training reads all data for nothing, and leaves none of it."""
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        trial = self.path / f".{SETTINGS}.trial"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            trial.touch()
            trial.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise type(error)(f"the run's folder {self.path} cannot be written to: {reason}. Give another.") from error
        finally:
            for folder in made:
                with suppress(OSError):  # it was not made, or somebody else has begun to use it
                    folder.rmdir()

    def extended(self, training: Recipe) -> Recipe:
        """The settings of a run that is resumed with another number of steps, and a warning of what that changes.

        Raises:
            ValueError: for fewer steps than were taken already.
        """
        last = self.last()
        if self.former is None or last is None:
            return training
        before = self.former.get("training", {})
        steps = before.get("max_steps", training.max_steps)
        kept = {name: before[name] for name in SCHEDULED if name in before and hasattr(training, name)}
        if steps == training.max_steps:
            return training.but(**kept) if self.former.get("extended") else training
        if training.max_steps < last[0]:
            raise ValueError(f"{self.path} has taken {last[0]} steps already: max_steps={training.max_steps} is less.")
        training = training.but(**kept)
        share = {
            name: training.but(max_steps=count).share_of_rate(last[0])
            for name, count in (("before", steps), ("now", training.max_steps))
        }
        changed = f"the learning rate at step {last[0]:,}, {share['before']:.0%} of the highest in the former schedule, is {share['now']:.0%} in the new one"
        held = ", ".join(f"{name}={value}" for name, value in kept.items() if value)
        warnings.warn(
            f"the run in {self.path} is changed from {steps:,} steps to {training.max_steps:,}: {changed}"
            + (f"; what has happened stays ({held})." if held else "."),
            stacklevel=3,
        )
        return training

    def begin(self, training: Training, facts: dict[str, Any], data: dict[str, Any]) -> None:
        """Writes the settings, or compares them with those of the run that is resumed.

        Args:
            training: the settings.
            facts: what else the numbers depend on.
            data: what the samples are; of others, a warning says so.

        Raises:
            ValueError: where a setting differs that the numbers depend on.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        described = json.loads(json.dumps({**facts, "data": data, "training": to_json(training)}))
        before = self.former
        if before is None:  # the metrics of a run that was stopped before its first checkpoint are not this one's
            (self.path / METRICS).unlink(missing_ok=True)
        else:
            old, new = before.get("training", {}), described["training"]
            # max_steps is what extended() has spoken of; an earlier version's run does not know all settings
            comparable = [name for name in new if name not in (*training.OPERATIONAL, "max_steps") and name in old]
            changed = [name for name in comparable if old[name] != new[name]]
            changed += [name for name in facts if not _agree(before.get(name), described[name])]
            if changed:
                shown = ", ".join(f"{n} (was {old.get(n, before.get(n))})" for n in changed)
                raise ValueError(f"a resumed run goes on as it began, but these settings differ: {shown}.")
            if before.get("data") != described["data"]:
                was, now = before.get("data") or {}, described["data"]
                warnings.warn(
                    f"the data of the run in {self.path} are others than when it began ({_shown(was)} then, {_shown(now)} "
                    "now): it goes on with other samples than it would have had.",
                    stacklevel=3,
                )
            # the call that extended the run may come again: what it kept stays kept
            described["extended"] = bool(before.get("extended")) or old.get("max_steps") != new["max_steps"]
        with self.writing("the settings"):
            _write(self.path / SETTINGS, json.dumps(described, indent=2) + "\n")

    def checkpoints(self) -> list[Path]:
        """The checkpoints there are, oldest first; whatever else lies beside them is left alone."""
        folder = self.path / "checkpoints"
        entries = folder.iterdir() if folder.is_dir() else ()
        return sorted(
            (path for path in entries if _step(path) is not None and path.is_dir()), key=lambda p: _step(p) or 0
        )

    def checkpoint(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.path / "checkpoints" / f"step_{step:08d}"

    def last(self) -> tuple[int, Path] | None:
        """The newest checkpoint and the number of steps behind it."""
        checkpoints = self.checkpoints()
        return (_step(checkpoints[-1]) or 0, checkpoints[-1]) if checkpoints else None

    def read(self, checkpoint: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Where a run stood at a checkpoint: progress, and the state of what is trained. Nothing in it is executed.

        Raises:
            CheckpointError: for a damaged checkpoint, with the one before it.
        """
        if (checkpoint / "state.pt").exists() and not (checkpoint / STATE).exists():
            raise CheckpointError(
                f"{checkpoint} was written by an earlier version, as Python pickles, which are not read any more. Finish the "
                "run with that version, or begin a new one with init= and the model of this one (best/, or the run folder)."
            )
        with self.reading(checkpoint):
            return load_state(checkpoint / STATE)

    @contextmanager
    def reading(self, checkpoint: Path) -> Iterator[None]:
        """Errors within are those of a damaged checkpoint.

        Raises:
            CheckpointError: that names the checkpoint, and the one before it.
        """
        try:
            yield
        except Exception as error:
            older = [path for path in self.checkpoints() if (_step(path) or 0) < (_step(checkpoint) or 0)]
            advice = f"Delete it to resume from {older[-1]}" if older else "There is no older one: begin the run anew"
            raise CheckpointError(f"the checkpoint {checkpoint} is damaged ({error}). {advice}.") from error

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Errors within, such as a full disk in whatever exception it comes, name the last good checkpoint.

        Raises:
            OSError: with that name.
        """
        try:
            yield
        except Exception as error:
            raise OSError(f"{what} could not be written: {error}. {self._last_good()}") from error

    def check_finite(self, modules: Iterable[nn.Module]) -> None:
        """Looks through all weights.

        Raises:
            Diverged: where one is not finite.
        """
        for module in modules:
            for name, parameter in module.named_parameters():
                if not torch.isfinite(parameter).all():
                    self.diverged(f"the weights {name}")

    def diverged(self, what: str) -> NoReturn:
        """Ends a run whose numbers are no longer finite.

        Raises:
            Diverged: always.
        """
        raise Diverged(
            f"training diverged: {what} became infinite or NaN. {self._last_good()} Lower learning_rate, set clip_gradients, "
            "or use bf16 or full precision instead of fp16."
        )

    def _last_good(self) -> str:
        last = self.last()
        return f"The last good checkpoint is {last[1]}." if last else "There is no checkpoint yet."

    def publish(self, name: str | None) -> None:
        """Copies a model to the run's folder itself: the one in a folder of it, or that of the newest checkpoint."""
        last = self.last()
        source = self.path / name if name is not None else last[1] if last is not None else None
        if source is not None:
            with atomic_folder(self.path) as draft:
                shutil.copytree(source, draft, dirs_exist_ok=True, ignore=shutil.ignore_patterns(STATE))

    @contextmanager
    def new_checkpoint(self, step: int, is_main: bool, limit: int | None) -> Iterator[Path]:
        """A draft folder that becomes the checkpoint of a step at the end; then older ones beyond the limit go."""
        target = self.checkpoint(step)
        draft = target.with_name(f".{target.name}.partial")
        if is_main:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
        try:
            yield draft
            if is_main:
                shutil.rmtree(target, ignore_errors=True)
                os.rename(draft, target)
        except BaseException:
            if is_main:
                shutil.rmtree(draft, ignore_errors=True)  # half a checkpoint would fill the disk for nothing
            raise
        if is_main:
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


def former_state(source: str | os.PathLike[str] | None) -> dict[str, Any] | None:
    """The state of the run in a folder at its newest checkpoint; ``None`` where there is no run.

    Raises:
        CheckpointError: for a damaged checkpoint.
    """
    if source is None or not (Path(source).expanduser() / "checkpoints").is_dir():
        return None
    folder = RunFolder(source, resume=True, is_main=False)
    last = folder.last()
    return folder.read(last[1])[1] if last is not None else None


def _step(path: Path) -> int | None:
    match = re.fullmatch(r"step_(\d+)", path.name)
    return int(match[1]) if match else None


def _shown(data: dict[str, Any]) -> str:
    return f"{data.get('samples', '?')} samples and {data.get('held_out', '?')} held out"


def _agree(old: Any, new: Any) -> bool:
    """Whether two facts are one; of a config, the fields that both versions of the package know."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(value == new.get(name) for name, value in old.items())
    return bool(old == new)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.partial")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
