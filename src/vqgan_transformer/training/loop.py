"""The loop that every training runs in: steps, metrics, validation, pictures, checkpoints, and a good end.

It knows nothing of what is trained; a :class:`Trainer` does.
"""

from __future__ import annotations

import math
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from .accelerators import accelerator_for, make_accelerator
from .callbacks import Callbacks
from .display import Display
from .plan import RunData, plan
from .processes import gather
from .reports import draw_curves
from .run_folder import Diverged, RunFolder
from .running_means import RunningMeans
from .samples import Batches, loader, random_numbers
from .settings import Training
from .signals import held_back, stop_signals
from .state_files import save_state
from .trackers import start_trackers, track_picture
from .trainer import Trainer

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Diverged", "Trainer", "accelerator_for", "make_accelerator", "run_training"]

FIRST_PICTURES = (1, 10, 100)
"""Steps after which a grid of pictures is drawn, before those of ``picture_every``."""

ENOUGH = 1
"""Stands where a signal's number would, for a run that ends early and well."""


def run_training(
    trainer: Trainer,
    samples: Dataset[Any],
    folder: RunFolder,
    training: Training,
    accelerator: Accelerator,
    *,
    data: RunData,
    resume: bool,
    progress: bool,
    name: str,
    from_checkpoint: bool = False,
    callbacks: Callbacks | None = None,
) -> None:
    """Trains until ``max_steps``, from the newest checkpoint if there is one and ``resume`` is set.

    Args:
        trainer: what is trained.
        samples: what it is trained on.
        folder: of the run.
        training: the recipe.
        accelerator: for processes, devices and precision.
        data: what it is trained on and whether anything is held out, for the plan.
        resume: go on with the run in the folder.
        progress: print the plan and show a bar.
        name: of the run, for bar and trackers.
        from_checkpoint: the model was trained before: it is validated at once, and no worse one is called the best.
        callbacks: functions that are told of each step, validation and checkpoint.

    Raises:
        Diverged: when a loss or a weight is no longer finite.
        OSError: when a file of the run cannot be written, with the last good checkpoint.
        KeyboardInterrupt: after SIGINT, when the state is saved.
        SystemExit: after SIGTERM, likewise.
    """
    run = Run(trainer, folder, training, accelerator, callbacks or Callbacks())
    if resume:
        run.restore()
    batches = Batches(
        len(samples),  # type: ignore[arg-type]  # ours have a length, which torch's Dataset does not promise
        training.seed,
        training.batch_size,
        training.gradient_accumulation,
        accelerator.num_processes,
        accelerator.process_index,
        run.step,
        training.max_steps,
        run.seen,
    )
    start_trackers(accelerator, training, name)
    lines = trainer.plan()  # which warns of what will never happen
    if progress and accelerator.is_main_process:
        print(plan(data, lines, training, accelerator, run.step))
    validated = data.held_out > 0
    display = Display(name, run.step, training, accelerator, shown=progress)
    with stop_signals() as stopped, display, torch.random.fork_rng():
        with held_back():
            parts = iter(loader(samples, batches, training.workers))
        if validated and from_checkpoint and not run.step:
            display.validated(run.validate(), run.best_step)
        while run.step < training.max_steps:
            scalars = run.update(parts)
            enough = bool(run.callbacks.on_step and run.callbacks.on_step(run.step, scalars))
            display.step()
            if run.due(training.log_every):
                display.log(run.log())
            if validated and run.due(training.validate_every):
                metrics = run.validate()
                enough |= bool(run.callbacks.on_validation and run.callbacks.on_validation(run.step, metrics))
                enough |= bool(training.early_stopping and run.stale >= training.early_stopping)
                display.validated(metrics, run.best_step)
            if run.step in FIRST_PICTURES or run.due(training.picture_every):
                run.show()
            number = _any(stopped, enough, accelerator)
            if run.due(training.checkpoint_every) or number:
                path = run.save()
                # one that ends the run here does so at once: there is nothing left to ask other processes for
                enough = bool(run.callbacks.on_checkpoint and run.callbacks.on_checkpoint(run.step, path))
                number = number or _any([], enough, accelerator)
            if number == ENOUGH:
                break
            if number:
                _stop(number, run.step, folder)
    run.finish()


class Run:
    """A training at one of its steps, and what is written of it.

    Args:
        trainer: what is trained.
        folder: where it is written.
        training: the settings.
        accelerator: for processes.
        callbacks: of the user.

    Attributes:
        step: the number of updates so far.
        seen: the samples that these took, over all processes.
        best: the lowest validation score so far; a model of :attr:`best_step` had it.
        stale: the validations since.
        means: of the scalars since they were last logged.
    """

    def __init__(
        self, trainer: Trainer, folder: RunFolder, training: Training, accelerator: Accelerator, callbacks: Callbacks
    ) -> None:
        self.trainer, self.folder, self.training, self.accelerator = trainer, folder, training, accelerator
        self.callbacks = callbacks
        self.step, self.seen, self.means = 0, 0, RunningMeans()
        self.best, self.best_step, self.stale = math.inf, 0, 0
        self._spent_before = -time.process_time()

    def due(self, every: int) -> bool:
        """Whether it is time for something that is done every so many steps, and at the end."""
        return self.step % every == 0 or self.step == self.training.max_steps

    def update(self, parts: Iterator[dict[str, Tensor]]) -> dict[str, Tensor]:
        """One update, from as many parts as gradients are accumulated of; gives the scalars of the last."""
        training, accelerator = self.training, self.accelerator
        # what torch itself draws is a function of the step and the process, so that there is no state to save
        key = random_numbers(training.seed, 5, self.step, accelerator.process_index)
        torch.manual_seed(int(key.integers(2**63)))
        scalars: dict[str, Tensor] = {}
        for _ in range(training.gradient_accumulation):
            scalars = self.trainer.step(next(parts), self.step)
            self.means.add(scalars)
        self.step += 1
        self.seen += training.batch_size * training.gradient_accumulation * accelerator.num_processes
        return scalars

    def log(self) -> dict[str, float]:
        """Writes the means since the last time, and gives them.

        Raises:
            Diverged: where one is not finite.
        """
        values = self.means.take(self.accelerator.device)
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            self.folder.diverged(f"at step {self.step} {', '.join(broken)}")
        self._write(values)
        return values

    def validate(self) -> dict[str, float]:
        """Writes metrics on the validation data and gives them; saves the model if none was better."""
        metrics = self.trainer.validate()
        self._write({f"validation_{name}": value for name, value in metrics.items()})
        if self.step and not self.trainer.ready(self.step):  # at step 0 it is a model that was trained before
            return metrics
        self.stale += 1
        if metrics["score"] < self.best:
            self.best, self.best_step, self.stale = metrics["score"], self.step, 0
            with self.folder.writing(f"the best model, of step {self.step},"):
                if self.accelerator.is_main_process:
                    self.trainer.save(self.folder.path / "best")
        return metrics

    def show(self) -> None:
        """Writes a picture, and the curves so far."""
        picture = self.trainer.picture()
        with self.folder.writing(f"the picture of step {self.step}"):
            if self.accelerator.is_main_process and picture is not None:
                (self.folder.path / "pictures").mkdir(exist_ok=True)
                picture.save(self.folder.path / "pictures" / f"step_{self.step:08d}.png")
                track_picture(self.accelerator, picture, self.step)
            self._draw_curves()

    def save(self) -> Path:
        """Writes a checkpoint, unless there is one of this step; gives its folder.

        Raises:
            Diverged: where a weight is not finite.
            OSError: when it cannot be written.
        """
        accelerator, last = self.accelerator, self.folder.last()
        if last is not None and last[0] == self.step:
            return last[1]
        self.folder.check_finite(self.trainer.modules())
        state = self.trainer.state()
        progress = {
            "seen": self.seen,
            "processes": accelerator.num_processes,
            "best": self.best if math.isfinite(self.best) else None,
            "best_step": self.best_step,
            "stale": self.stale,
            "sums": self.means.sums,
            "counts": self.means.counts,
            "cpu_seconds": self._cpu_seconds(),
            "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
        }
        kept = self.training.checkpoints_total_limit
        with (
            self.folder.writing(f"the checkpoint of step {self.step}"),
            self.folder.new_checkpoint(self.step, accelerator.is_main_process, kept) as draft,
        ):
            accelerator.wait_for_everyone()
            if accelerator.is_main_process:
                self.trainer.save(draft)
                save_state(draft / "training", progress, state)
            accelerator.wait_for_everyone()
        self._publish()
        accelerator.wait_for_everyone()
        return self.folder.checkpoint(self.step)

    def restore(self) -> None:
        """Goes back to the newest checkpoint, if there is one; lines of metrics after it are forgotten."""
        last = self.folder.last()
        if last is None:
            return
        self.step, path = last
        progress, state = self.folder.read(path)
        with self.folder.reading(path):
            self.trainer.restore(state)
            self.seen, self.best_step, self.stale = progress["seen"], progress["best_step"], progress["stale"]
            self.best = progress["best"] if progress["best"] is not None else math.inf
            self.means = RunningMeans(progress["sums"], progress["counts"])
            self._spent_before += progress["cpu_seconds"]
            if self.accelerator.scaler is not None and progress["scaler"] is not None:
                self.accelerator.scaler.load_state_dict(progress["scaler"])
        if self.accelerator.is_main_process:
            self.folder.forget_after(self.step)
        before, now = progress["processes"], self.accelerator.num_processes
        if before != now:
            warnings.warn(
                f"the run in {self.folder.path} had {before} processes and goes on with {now}: an update takes {now}/{before} "
                "of the samples that it took. It goes on with the sample at which it was stopped.",
                stacklevel=3,
            )

    def finish(self) -> None:
        """Writes the result, the best model or the last, and the curves."""
        self.save()
        self._publish()
        with self.folder.writing("the curves"):
            self._draw_curves()
        self.accelerator.wait_for_everyone()
        if self.training.trackers:
            self.accelerator.end_training()

    def _publish(self) -> None:
        """The run's folder itself holds the best model so far, or the last: ``from_pretrained`` takes it at any time."""
        with self.folder.writing("the result"):
            if self.accelerator.is_main_process:
                self.folder.publish("best" if math.isfinite(self.best) else None)

    def _draw_curves(self) -> None:
        if self.accelerator.is_main_process:
            draw_curves(self.folder.metrics()).save(self.folder.path / "curves.png")

    def _write(self, values: dict[str, float]) -> None:
        with self.folder.writing("the metrics"):
            if self.accelerator.is_main_process:
                self.folder.log({"step": self.step, "cpu_seconds": self._cpu_seconds(), **values})
        self.accelerator.log(values, step=self.step)

    def _cpu_seconds(self) -> float:
        return round(self._spent_before + time.process_time(), 1)


def _any(received: list[int], enough: bool, accelerator: Accelerator) -> int:
    """The signal that some process received, or :data:`ENOUGH`, so that all stop at the same step; or 0."""
    number = received[-1] if received else ENOUGH if enough else 0
    if accelerator.num_processes == 1:
        return number
    return int(gather(torch.tensor([number], device=accelerator.device)).max())


def _stop(number: int, step: int, folder: RunFolder) -> None:
    message = f"stopped after step {step}; resume=True goes on from {folder.path}."
    if number == signal.SIGINT:
        raise KeyboardInterrupt(message)
    warnings.warn(message, stacklevel=3)
    raise SystemExit(128 + number)
