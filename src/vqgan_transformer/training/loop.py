"""The loop that every training runs in: steps, metrics, validation, pictures, checkpoints, and a good end.

It knows nothing of what is trained; a :class:`Trainer` does.
"""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from .reports import draw_curves
from .run_folder import RunFolder, load_state, save_state
from .samples import Batches, loader, random_numbers
from .settings import Training

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Diverged", "Trainer", "accelerator_for", "make_accelerator", "run_training"]


class Diverged(FloatingPointError):
    """Losses or weights are no longer finite; the message says which checkpoint is the last good one."""


class Trainer(Protocol):
    """What the loop needs to know of a training."""

    def step(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """One part of an update; gives scalars to log."""
        ...

    def validate(self) -> dict[str, float]:
        """Metrics on the validation data; "score" is what decides which model is best, lower is better."""
        ...

    def ready(self, step: int) -> bool:
        """Whether a model of this step may be called the best."""
        ...

    def picture(self) -> Image.Image | None:
        """What to look at."""
        ...

    def state(self) -> dict[str, Any]:
        """What is to be saved beside the prepared modules and optimizers."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Takes it back."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the model that is trained, to be loaded with ``from_pretrained``."""
        ...

    def modules(self) -> list[nn.Module]:
        """All that must stay finite."""
        ...


def make_accelerator(training: Training, folder: Path) -> Accelerator:
    """An Accelerator with what the settings say; the rest comes from ``accelerate launch``."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import ProjectConfiguration

    wanted = training.mixed_precision
    if AcceleratorState._shared_state and wanted not in (None, AcceleratorState().mixed_precision):
        AcceleratorState._reset_state()  # of a run before in this process
    return Accelerator(
        mixed_precision=wanted,
        gradient_accumulation_steps=training.gradient_accumulation,
        log_with=list(training.trackers) or None,
        project_config=ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder)),
    )


@contextmanager
def accelerator_for(given: Accelerator | None, training: Training, folder: Path) -> Iterator[Accelerator]:
    """The user's Accelerator, or one of our own, of which nothing is left for the next run in this process."""
    if given is not None:
        yield given
        return
    from accelerate.state import AcceleratorState

    try:
        yield make_accelerator(training, folder)
    finally:
        AcceleratorState._reset_state()


def run_training(
    trainer: Trainer,
    samples: Dataset,
    folder: RunFolder,
    training: Training,
    accelerator: Accelerator,
    *,
    validated: bool,
    resume: bool,
    progress: bool,
    name: str,
) -> None:
    """Trains until ``max_steps``, from the newest checkpoint if there is one and ``resume`` is set.

    Raises:
        Diverged: when a loss or a weight is no longer finite.
        OSError: when a checkpoint cannot be written, with the last good one.
        KeyboardInterrupt: after SIGINT, when the state is saved.
        SystemExit: after SIGTERM, likewise.
    """
    run = Run(trainer, folder, training, accelerator)
    if resume:
        run.restore()
    batches = Batches(
        len(samples),  # type: ignore[arg-type]
        training.seed,
        training.batch_size,
        training.gradient_accumulation,
        accelerator.num_processes,
        accelerator.process_index,
        run.step,
        training.max_steps,
    )
    if training.trackers:
        accelerator.init_trackers(name)
    hidden = not (progress and accelerator.is_main_process)
    bar = tqdm(total=training.max_steps, initial=run.step, unit="step", desc=name, disable=hidden)
    with stop_signals() as stopped, bar, torch.random.fork_rng():
        parts = iter(loader(samples, batches, training.workers))
        while run.step < training.max_steps:
            run.update(parts)
            bar.update()
            if run.due(training.log_every):
                bar.set_postfix(run.log())
            if validated and trainer.ready(run.step) and run.due(training.validate_every):
                run.validate()
            if run.due(training.picture_every):
                run.show()
            signalled = _any(stopped, accelerator)
            if run.due(training.checkpoint_every) or signalled:
                run.save()
            if signalled:
                _stop(signalled, run.step, folder)
    run.finish()


class Run:
    """A training at one of its steps, and what is written of it.

    Args:
        trainer: what is trained.
        folder: where it is written.
        training: the settings.
        accelerator: for processes.

    Attributes:
        step: the number of updates so far.
        best: the lowest validation score so far.
        means: of the scalars since they were last logged.
    """

    def __init__(self, trainer: Trainer, folder: RunFolder, training: Training, accelerator: Accelerator) -> None:
        self.trainer, self.folder, self.training, self.accelerator = trainer, folder, training, accelerator
        self.step, self.best, self.means = 0, math.inf, Average()
        self._spent_before = -time.process_time()

    def due(self, every: int) -> bool:
        """Whether it is time for something that is done every so many steps, and at the end."""
        return self.step % every == 0 or self.step == self.training.max_steps

    def update(self, parts: Iterator[dict[str, Tensor]]) -> None:
        """One update, from as many parts as gradients are accumulated of."""
        # what torch itself draws is a function of the step and the process, so that there is no state to save
        key = random_numbers(self.training.seed, 5, self.step, self.accelerator.process_index)
        torch.manual_seed(int(key.integers(2**63)))
        for _ in range(self.training.gradient_accumulation):
            self.means.add(self.trainer.step(next(parts), self.step))
        self.step += 1

    def log(self) -> dict[str, str]:
        """Writes the means since the last time; gives the first few in words.

        Raises:
            Diverged: where one is not finite.
        """
        values = self.means.take(self.accelerator)
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            _diverged(self.folder, f"at step {self.step} {', '.join(broken)}")
        self._write(values)
        return {name: f"{value:.4g}" for name, value in list(values.items())[:5]}

    def validate(self) -> None:
        """Writes metrics on the validation data, and the model if none was better."""
        metrics = self.trainer.validate()
        self._write({f"validation_{name}": value for name, value in metrics.items()})
        if metrics["score"] < self.best:
            self.best = metrics["score"]
            if self.accelerator.is_main_process:
                self.trainer.save(self.folder.path / "best")

    def show(self) -> None:
        """Writes a picture."""
        picture = self.trainer.picture()
        if self.accelerator.is_main_process and picture is not None:
            (self.folder.path / "pictures").mkdir(exist_ok=True)
            picture.save(self.folder.path / "pictures" / f"step_{self.step:08d}.png")

    def save(self) -> None:
        """Writes a checkpoint, unless there is one of this step.

        Raises:
            Diverged: where a weight is not finite.
            OSError: when it cannot be written.
        """
        _check_finite(self.trainer, self.folder)
        accelerator, last = self.accelerator, self.folder.last()
        if last is not None and last[0] == self.step:
            return
        stored = {
            "best": self.best if math.isfinite(self.best) else None,
            "sums": self.means.sums,
            "counts": self.means.counts,
            "cpu_seconds": self._cpu_seconds(),
        }
        kept = self.training.checkpoints_total_limit
        try:
            with self.folder.new_checkpoint(self.step, accelerator.is_main_process, kept) as draft:
                accelerator.wait_for_everyone()
                accelerator.save_state(str(draft))
                if accelerator.is_main_process:
                    save_state(draft, stored, self.trainer.state())
                accelerator.wait_for_everyone()
        except OSError as error:
            good = f"The last good checkpoint is {last[1]}." if last else "There is no earlier checkpoint."
            raise OSError(f"the checkpoint of step {self.step} could not be written: {error}. {good}") from error
        accelerator.wait_for_everyone()

    def restore(self) -> None:
        """Goes back to the newest checkpoint, if there is one; lines of metrics after it are forgotten."""
        found = self.folder.last()
        if found is None:
            return
        self.step, path = found
        self.accelerator.load_state(str(path))
        stored, state = load_state(path)
        self.trainer.restore(state)
        self.best = stored["best"] if stored["best"] is not None else math.inf
        self.means = Average(stored["sums"], stored["counts"])
        self._spent_before += stored["cpu_seconds"]
        if self.accelerator.is_main_process:
            self.folder.forget_after(self.step)

    def finish(self) -> None:
        """Writes the result, the best model or the last, and the curves."""
        if self.accelerator.is_main_process:
            if math.isfinite(self.best):
                _copy_model(self.folder.path / "best", self.folder.path)
            else:
                self.trainer.save(self.folder.path)
            draw_curves(self.folder.metrics()).save(self.folder.path / "curves.png")
        self.accelerator.wait_for_everyone()
        if self.training.trackers:
            self.accelerator.end_training()

    def _write(self, values: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.folder.log({"step": self.step, "cpu_seconds": self._cpu_seconds(), **values})
        self.accelerator.log(values, step=self.step)

    def _cpu_seconds(self) -> float:
        return round(self._spent_before + time.process_time(), 1)


class Average:
    """Means of scalars since the last line of metrics, each over the parts of updates that had it."""

    def __init__(self, sums: dict[str, float] | None = None, counts: dict[str, int] | None = None) -> None:
        self._sums, self._counts = dict(sums or {}), dict(counts or {})
        self._pending: list[dict[str, Tensor]] = []

    def add(self, values: dict[str, Tensor]) -> None:
        """Remembers the scalars of a part; they stay on their device until they are needed."""
        self._pending.append({key: value.detach() for key, value in values.items()})

    @property
    def sums(self) -> dict[str, float]:
        """The sum of each scalar so far."""
        self._read()
        return self._sums

    @property
    def counts(self) -> dict[str, int]:
        """How often each scalar came."""
        self._read()
        return self._counts

    def take(self, accelerator: Accelerator) -> dict[str, float]:
        """The means over all processes; then starts anew."""
        from .processes import mean

        means = [self.sums[key] / self.counts[key] for key in self.sums]
        values = torch.tensor(means, dtype=torch.float64, device="cpu")
        values = mean(values.to(accelerator.device) if accelerator.device.type == "cuda" else values)
        taken = {key: float(value) for key, value in zip(self.sums, values, strict=True)}
        self._sums, self._counts = {}, {}
        return taken

    def _read(self) -> None:
        for values in self._pending:
            for key, value in values.items():
                self._sums[key] = self._sums.get(key, 0.0) + float(value)
                self._counts[key] = self._counts.get(key, 0) + 1
        self._pending = []


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of dying of them; outside the main thread nothing changes."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, frame: object) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _any(received: list[int], accelerator: Accelerator) -> int:
    """The signal that some process received, so that all stop at the same step."""
    number = received[-1] if received else 0
    if accelerator.num_processes == 1:
        return number
    from .processes import gather

    return int(gather(torch.tensor([number], device=accelerator.device)).max())


def _stop(number: int, step: int, folder: RunFolder) -> None:
    message = f"stopped after step {step}; resume=True goes on from {folder.path}."
    if number == signal.SIGINT:
        raise KeyboardInterrupt(message)
    warnings.warn(message, stacklevel=3)
    raise SystemExit(128 + number)


def _check_finite(trainer: Trainer, folder: RunFolder) -> None:
    for module in trainer.modules():
        for name, parameter in module.named_parameters():
            if not torch.isfinite(parameter).all():
                _diverged(folder, f"the weights {name}")


def _diverged(folder: RunFolder, what: str) -> None:
    last = folder.last()
    good = f"The last good checkpoint is {last[1]}" if last else "There is no checkpoint yet"
    raise Diverged(
        f"training diverged: {what} became infinite or NaN. {good}. Lower learning_rate, set clip_gradients, or use bf16 or "
        "full precision instead of fp16."
    )


def _copy_model(source: Path, target: Path) -> None:
    import shutil

    from ..storage.atomic_folder import atomic_folder

    with atomic_folder(target) as draft:
        shutil.copytree(source, draft, dirs_exist_ok=True)
