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
    step, best, record, before = 0, math.inf, Average(), -time.process_time()
    found = folder.last() if resume else None
    if found is not None:
        step, path = found
        accelerator.load_state(str(path))
        stored, state = load_state(path)
        trainer.restore(state)
        best, record = (
            stored["best"] if stored["best"] is not None else math.inf,
            Average(stored["sums"], stored["count"]),
        )
        before += stored["cpu_seconds"]
        if accelerator.is_main_process:
            folder.forget_after(step)
    batches = Batches(
        len(samples),  # type: ignore[arg-type]
        training.seed,
        training.batch_size,
        training.gradient_accumulation,
        accelerator.num_processes,
        accelerator.process_index,
        step,
        training.max_steps,
    )
    if training.trackers:
        accelerator.init_trackers(name)
    bar = tqdm(
        total=training.max_steps,
        initial=step,
        unit="step",
        desc=name,
        disable=not (progress and accelerator.is_main_process),
    )

    def spent() -> float:
        return round(before + time.process_time(), 1)

    def save() -> None:
        _check_finite(trainer, folder)
        last = folder.last()
        if last is not None and last[0] == step:
            return
        stored = {
            "best": best if math.isfinite(best) else None,
            "sums": record.sums,
            "count": record.count,
            "cpu_seconds": spent(),
        }
        try:
            with folder.new_checkpoint(step, accelerator.is_main_process, training.checkpoints_total_limit) as draft:
                accelerator.wait_for_everyone()
                accelerator.save_state(str(draft))
                if accelerator.is_main_process:
                    save_state(draft, stored, trainer.state())
                accelerator.wait_for_everyone()
        except OSError as error:
            good = f"The last good checkpoint is {last[1]}." if last else "There is no earlier checkpoint."
            raise OSError(f"the checkpoint of step {step} could not be written: {error}. {good}") from error
        accelerator.wait_for_everyone()

    with stop_signals() as stopped, bar, torch.random.fork_rng():
        parts = iter(loader(samples, batches, training.workers))
        while step < training.max_steps:
            for _ in range(training.gradient_accumulation):
                # what torch itself draws is a function of the step and the process, so that there is no state to save
                torch.manual_seed(
                    int(random_numbers(training.seed, 5, step, accelerator.process_index).integers(2**63))
                )
                record.add(trainer.step(next(parts), step))
            step += 1
            bar.update()
            if step % training.log_every == 0 or step == training.max_steps:
                values = record.take(accelerator)
                if not all(math.isfinite(value) for value in values.values()):
                    _diverged(
                        folder, f"at step {step} " + ", ".join(n for n, v in values.items() if not math.isfinite(v))
                    )
                bar.set_postfix({key: f"{value:.4g}" for key, value in list(values.items())[:5]})
                if accelerator.is_main_process:
                    folder.log({"step": step, "cpu_seconds": spent(), **values})
                accelerator.log(values, step=step)
            if (
                validated
                and trainer.ready(step)
                and (step % training.validate_every == 0 or step == training.max_steps)
            ):
                metrics = trainer.validate()
                if accelerator.is_main_process:
                    folder.log(
                        {
                            "step": step,
                            "cpu_seconds": spent(),
                            **{f"validation_{key}": value for key, value in metrics.items()},
                        }
                    )
                accelerator.log({f"validation_{key}": value for key, value in metrics.items()}, step=step)
                if metrics["score"] < best:
                    best = metrics["score"]
                    if accelerator.is_main_process:
                        trainer.save(folder.path / "best")
            if step % training.picture_every == 0 or step == training.max_steps:
                picture = trainer.picture()
                if accelerator.is_main_process and picture is not None:
                    (folder.path / "pictures").mkdir(exist_ok=True)
                    picture.save(folder.path / "pictures" / f"step_{step:08d}.png")
            signalled = _any(stopped, accelerator)
            if step % training.checkpoint_every == 0 or step == training.max_steps or signalled:
                save()
            if signalled:
                _stop(signalled, step, folder)
    if accelerator.is_main_process:
        if math.isfinite(best):
            _copy_model(folder.path / "best", folder.path)
        else:
            trainer.save(folder.path)
        draw_curves(folder.metrics()).save(folder.path / "curves.png")
    accelerator.wait_for_everyone()
    if training.trackers:
        accelerator.end_training()


class Average:
    """Means of scalars since the last line of metrics."""

    def __init__(self, sums: dict[str, float] | None = None, count: int = 0) -> None:
        self.stored = dict(sums or {})
        self.pending: list[dict[str, Tensor]] = []
        self._count = count

    def add(self, values: dict[str, Tensor]) -> None:
        """Remembers the scalars of a part; they stay on their device until they are needed."""
        self.pending.append({key: value.detach() for key, value in values.items()})

    @property
    def sums(self) -> dict[str, float]:
        """The sum of each scalar so far."""
        for values in self.pending:
            self._count += 1
            for key, value in values.items():
                self.stored[key] = self.stored.get(key, 0.0) + float(value)
        self.pending = []
        return self.stored

    @property
    def count(self) -> int:
        """The number of parts."""
        return self._count + len(self.pending)

    def take(self, accelerator: Accelerator) -> dict[str, float]:
        """The means over all processes; then starts anew."""
        from .processes import mean

        sums = self.sums
        values = torch.tensor(list(sums.values()), dtype=torch.float64, device="cpu") / max(1, self._count)
        values = mean(values.to(accelerator.device) if accelerator.device.type == "cuda" else values)
        self.stored, self._count = {}, 0
        return {key: float(value) for key, value in zip(sums, values, strict=True)}


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

    from ..hub.atomic_folder import atomic_folder

    with atomic_folder(target) as draft:
        shutil.copytree(source, draft, dirs_exist_ok=True)
