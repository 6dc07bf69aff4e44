"""Training a planner: a small aligned GPT over the labels of coarse plans. :func:`train_planner` is the way in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ..conditions import Condition
from ..contact_sheet import contact_sheet
from ..gpt.config import CondGPTConfig
from ..pipeline.planner import LabelPlanner, planner_config
from ..storage.config_json import to_json
from .argument_types import check_condition, check_run, check_type
from .callbacks import Callbacks
from .evaluating import evaluating
from .loop import accelerator_for, run_training
from .noisy_samples import NoisySamples
from .optimizers import make_optimizer, set_learning_rate, take_step
from .plan import RunData, parameters
from .planner_samples import PlanSamples
from .run_folder import RunFolder
from .samples import CENTRE, open_samples, stack
from .settings import GPTTraining, learning_rate
from .state_files import load_network, load_optimizer, network_state, optimizer_state
from .weight_average import WeightAverage

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["PlannerTrainer", "planner_recipe", "train_planner"]

SHOWN = 8
"""Plans in a picture."""

SIDE = 128
"""Pixels of a plan in it, along each side of a square one."""

TABLES = ("token_embedding", "head")


def planner_recipe(**changes: Any) -> GPTTraining:
    """The modern recipe for plans: a large batch of small grids; every tenth one without each thing that it follows.

    Args:
        **changes: further fields. Those about crops play no part: plans are of whole maps.
    """
    recipe: dict[str, Any] = {
        "max_steps": 800,
        "batch_size": 64,
        "flip": False,
        "scale_up": True,
        "condition_dropout": 0.0,
        "kind_dropout": {},
        "structured_tables": False,
        "token_variants": 0,
        "validation_samples": 256,
        "validate_every": 100,
        "picture_every": 100,
        "checkpoint_every": 100,
    }
    return GPTTraining.modern(**{**recipe, **changes})


def train_planner(
    data: Any,
    folder: str | os.PathLike[str],
    *,
    condition: Condition | Sequence[Condition],
    config: CondGPTConfig | None = None,
    training: GPTTraining | None = None,
    validation: Any = None,
    resume: bool = False,
    accelerator: Accelerator | None = None,
    progress: bool = True,
    callbacks: Callbacks | None = None,
) -> LabelPlanner:
    """Trains what plans a picture where nothing says what is where in it: give it to a pipeline as ``planner=``.

    A plan is a label map of the whole picture in a few cells (16×16): the label that most of a cell has, people left out.

    Args:
        data: label maps, and what plans follow; see :func:`vqgan_transformer.training.data.open_data`.
        folder: of the run: the result (for ``LabelPlanner.from_pretrained``), checkpoints, metrics, pictures of plans.
        condition: the label map that the pipeline's GPT follows; then what is of the picture as a whole, such as its class.
        config: of the planner; by default :func:`~vqgan_transformer.pipeline.planner.planner_config`.
        training: the recipe; by default :func:`planner_recipe`.
        validation: data of the same form; by default a share of ``data`` is set aside.
        resume: go on with the run in ``folder``, or begin it if there is none. With more ``max_steps`` it is extended.
        accelerator: an Accelerator of your own.
        progress: print what is going to happen, and show bars.
        callbacks: functions that are told of steps, validations and checkpoints, and may end the run.

    Returns:
        the planner that was best on the validation data, or the last one without.

    Raises:
        TypeError: for an argument of another type.
        ValueError: for settings that do not fit each other or the data.
        FileExistsError: for a folder that holds a run already.
        Diverged: when losses become infinite or NaN.
    """
    check_type("config", config, CondGPTConfig, "a CondGPTConfig")
    check_type("training", training, GPTTraining, "a GPTTraining")
    check_run(folder, validation, resume, accelerator, callbacks, None)
    given = tuple(condition) if isinstance(condition, Sequence) else (condition,)
    for kind in given:
        check_condition(kind)
    labels, whole = given[0], given[1:]
    config = config or planner_config(labels, whole)
    recipe = training or planner_recipe()
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        planner = LabelPlanner(config)
    with accelerator_for(accelerator, recipe, Path(folder)) as accelerator:
        run = RunFolder(folder, resume, accelerator.is_main_process)
        recipe = run.extended(recipe)
        accelerator.wait_for_everyone()  # all have read the settings of a run that is resumed
        kinds = [kind.name for kind in (labels, *whole)]
        samples, held_out = open_samples(
            data, validation, recipe, (labels, *whole), kinds=kinds, checked=False, with_image=False, as_tokens=False
        )
        run_data = RunData.of(samples, held_out)
        if accelerator.is_main_process:
            run.begin(recipe, {"conditions": kinds, "config": to_json(config)}, run_data.facts())
        accelerator.wait_for_everyone()
        plans, validated = (
            None if part is None else PlanSamples.of(part.source, labels, whole, config.window, recipe)
            for part in (samples, held_out)
        )
        assert plans is not None
        planner.learn_order(plans.plans)
        trainer = PlannerTrainer(planner, labels, recipe, accelerator, plans, validated)
        run_training(
            trainer, NoisySamples(plans, recipe, config, config.vocab_size), run, recipe, accelerator, data=run_data,
            resume=resume, progress=progress, name="planner", callbacks=callbacks,
        )  # fmt: skip
    return LabelPlanner.from_pretrained(run.path)


class PlannerTrainer:
    """A planner and how it is updated.

    Args:
        planner: is trained in place.
        labels: the label map, to show plans.
        training: the recipe.
        accelerator: for devices, processes and precision.
        samples: plans to train on.
        held_out: plans that are validated on.
    """

    def __init__(
        self,
        planner: LabelPlanner,
        labels: Condition,
        training: GPTTraining,
        accelerator: Accelerator,
        samples: PlanSamples,
        held_out: PlanSamples | None,
    ) -> None:
        self.training, self.accelerator, self.labels = training, accelerator, labels
        self.samples, self.held_out = samples, held_out
        self.config = planner.config
        self.plain = planner.train().to(accelerator.device)
        self.average = WeightAverage(planner, training.ema_decay)
        optimizer = make_optimizer(
            planner, training.optimizer, betas=training.betas, weight_decay=training.weight_decay, outer=TABLES
        )
        self.model, self.optimizer = accelerator.prepare(planner, optimizer)

    def step(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """One update: predict the label of each cell from the picture's class and the cells before it."""
        training, accelerator = self.training, self.accelerator
        parts = training.gradient_accumulation * accelerator.num_processes
        set_learning_rate(self.optimizer, learning_rate(training, step, training.batch_size * parts))
        batch = {name: values.to(accelerator.device) for name, values in batch.items()}
        tokens, read = batch["tokens"], batch["tokens"]
        if "keep" in batch:
            read = torch.where(batch["keep"], tokens, batch["replacement"])
        condition = self.plain.conditioning.drop(self._condition(batch), batch["dropped"])
        with accelerator.accumulate(self.model):
            loss = F.cross_entropy(self.model(read, condition).flatten(0, -2), tokens.flatten())
            accelerator.backward(loss)
            record = {"nats": loss.detach()} | take_step(
                accelerator, self.model, self.optimizer, training.clip_gradients
            )
        if accelerator.sync_gradients:
            self.average.update(self.plain)
        return record

    def _condition(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the planner reads beside the labels of cells."""
        tokens = batch["tokens"]
        read = {kind.name: batch[kind.name] for kind in self.config.conditions if kind.name in batch}
        count, rows, columns = tokens.shape
        return read | self.plain.places(count, (rows, columns), tokens.device)

    def ready(self, step: int) -> bool:
        """Any step's model may be the best."""
        del step
        return True

    def validate(self) -> dict[str, float]:
        """Nats per cell of the held-out plans."""
        assert self.held_out is not None
        total, count, size = 0.0, len(self.held_out), self.training.batch_size
        model = self.model if self.average.decay is None else self.average.module
        with evaluating(model), self.accelerator.autocast():
            for start in range(0, count, size):
                batch = self._held_out(range(start, min(start + size, count)))
                logits = model(batch["tokens"], self._condition(batch)).float()
                nats = F.cross_entropy(logits.flatten(0, -2), batch["tokens"].flatten())
                total += float(nats) * len(logits) / count
        return {"score": total, "nats": total}

    def _held_out(self, indices: range) -> dict[str, Tensor]:
        shown = self.samples if self.held_out is None else self.held_out
        batch = stack([shown[CENTRE, index] for index in indices])
        return {name: values.to(self.accelerator.device) for name, values in batch.items()}

    def planner(self) -> LabelPlanner:
        """The average model as a planner of its own."""
        planner = LabelPlanner(self.config).to(self.accelerator.device)
        if self.average.decay is not None:
            planner.load_state_dict(self.average.module.state_dict())
        else:
            planner.load_state_dict(self.accelerator.get_state_dict(self.model))
        return planner.eval()

    def picture(self) -> Image.Image | None:
        """Plans of held-out pictures, and below each one that is drawn for what it follows."""
        shown = self.samples if self.held_out is None else self.held_out
        batch = self._held_out(range(min(SHOWN, len(shown))))
        tokens = batch["tokens"]
        drawn = self.planner().cells(self._condition(batch), (tokens.shape[1], tokens.shape[2]), range(len(tokens)))
        rows = [self.labels.show(self.labels.from_aligned(plans)) for plans in (tokens, drawn)]
        size = SIDE * tokens.shape[2] // tokens.shape[1], SIDE
        return contact_sheet([[plan.resize(size, Image.Resampling.NEAREST) for plan in row] for row in rows])

    def plan(self) -> list[tuple[str, str]]:
        """The model, and what it reads."""
        rows, columns = self.config.window
        names = ", ".join(kind.name for kind in self.config.conditions)
        what = f"{parameters(self.plain)}; plans of {rows}×{columns} cells, {self.config.vocab_size} labels"
        return [("planner", what), ("follows", names)]

    def state(self) -> dict[str, Any]:
        """The model, what its optimizer knows, and the running average."""
        return {
            "planner": network_state(self.accelerator, self.model),
            "optimizer": optimizer_state(self.accelerator, self.model, self.optimizer),
            "average": self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what :meth:`state` gave."""
        load_network(self.accelerator, self.model, state["planner"])
        load_optimizer(self.accelerator, self.model, self.optimizer, state.get("optimizer", {}))
        self.average.load_state_dict(state.get("average", {}))

    def save(self, folder: Path) -> None:
        """Writes the planner."""
        self.planner().save_pretrained(folder)

    def modules(self) -> list[nn.Module]:
        """All that is trained."""
        return [self.plain]
