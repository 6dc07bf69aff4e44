"""Training a conditional GPT (paper, section 3.2): :meth:`GPTTrainer.step` is the algorithm, :func:`train_cond_gpt` the way in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..conditions import Condition, KeypointsCondition
from ..contact_sheet import contact_sheet
from ..gpt.config import CondGPTConfig
from ..gpt.model import CondGPT
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..sampler.sampler import SlidingWindowSampler
from ..storage.config_json import to_json
from ..vqgan.model import VQGAN
from .argument_types import check_condition, check_run, check_type, opened
from .callbacks import Callbacks
from .conditioning import encode_conditions, known_tokens, read_by
from .evaluating import evaluating
from .gpt_parts import finetuning, fitting_config, parts_of_a_run
from .gpt_samples import beside_what_they_should_be, with_evaluation
from .gradient_checkpointing import checkpoint_gradients
from .loop import accelerator_for, run_training
from .noisy_samples import NoisySamples
from .objective import Objective, TrueTokens, objective_of
from .optimizers import make_optimizer, set_learning_rate, take_step
from .plan import RunData, parameters
from .run_folder import RunFolder, former_state
from .sample_dropout import SampleDropout
from .samples import CENTRE, open_samples, stack
from .settings import GPTTraining, learning_rate
from .spread import folder_classes, spread
from .state_files import load_network, load_optimizer, network_state, optimizer_state
from .structured_tables import StructuredTables
from .token_cache import TokenCache, held_out_cache, open_or_encode
from .token_orders import reading_order
from .weight_average import WeightAverage

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["GPTTrainer", "fitting_config", "train_cond_gpt"]

SHOWN = 4
"""Samples in a grid of pictures."""

TABLES = ("token_embedding", "condition_embedding", "position_embedding", "head", "map", "rows", "columns", "kinds")


def train_cond_gpt(
    data: Any,
    folder: str | os.PathLike[str],
    *,
    vqgan: VQGAN | str | os.PathLike[str] | None = None,
    condition: Condition | Sequence[Condition] | None = None,
    config: CondGPTConfig | None = None,
    training: GPTTraining | None = None,
    init: ImageSynthesisPipeline | str | os.PathLike[str] | None = None,
    validation: Any = None,
    resume: bool = False,
    accelerator: Accelerator | None = None,
    progress: bool = True,
    callbacks: Callbacks | None = None,
    push_to_hub: str | None = None,
) -> ImageSynthesisPipeline:
    """Trains the second stage: a GPT over a VQGAN's tokens, under a condition, from scratch or from a checkpoint.

    Pictures and conditions are encoded once, several crops of each, into ``tokens/`` of the run folder; then the GPT
    trains on tokens. Run by ``accelerate launch`` or ``torchrun``, all processes take part. A run that was stopped or
    killed goes on, to the same numbers, with ``resume=True``.

    Args:
        data: pictures, with their conditions unless there are none; see
            :func:`vqgan_transformer.training.data.open_data`.
        folder: of the run: the result (for ``ImageSynthesisPipeline.from_pretrained``), tokens, checkpoints, metrics,
            pictures.
        vqgan: the tokenizer of pictures, or where one is (what ``VQGAN.from_pretrained`` takes).
        condition: the kind of condition, with its tokenizer where it has one; without it, none
            (:class:`~vqgan_transformer.conditions.Unconditional`). Aligned GPTs take several, and need no tokenizers.
        config: of a new GPT; by default :func:`fitting_config`.
        training: the recipe; by default ``GPTTraining.modern()``, and ``.finetune()`` with ``init``; ``.paper()`` is the
            original's.
        init: a pipeline to start from instead, or where one is (what ``from_pretrained`` takes), whose VQGAN and
            condition are taken unless others are given; it is not changed. From the folder of a run, the optimizer comes
            along.
        validation: data of the same form; by default a share of ``data`` is set aside.
        resume: go on with the run in ``folder``, or begin it if there is none. With more ``max_steps`` it is extended.
        accelerator: an Accelerator of your own.
        progress: print what is going to happen, and show bars.
        callbacks: functions that are told of steps, validations and checkpoints, and may end the run.
        push_to_hub: a repository ("owner/name") to which the result is uploaded at the end.

    Returns:
        what was saved: the pipeline with the GPT that was best on the validation data (``init``'s, if none was better), or
        the last one without.

    Raises:
        TypeError: for an argument of another type.
        ValueError: for settings that do not fit each other, the models or the data; bad files are all named at once.
        CheckpointError: where ``init`` or ``vqgan`` cannot be loaded.
        FileExistsError: for a folder that holds a run already.
        Diverged: when losses become infinite or NaN.
    """
    check_type("config", config, CondGPTConfig, "a CondGPTConfig")
    check_type("training", training, GPTTraining, "a GPTTraining, the second stage's recipe")
    check_run(folder, validation, resume, accelerator, callbacks, push_to_hub)
    for kind in condition if isinstance(condition, list | tuple) else [condition]:
        check_condition(kind)
    start, init = init, opened("init", init, ImageSynthesisPipeline)
    former = None if isinstance(start, ImageSynthesisPipeline) else former_state(start)
    vqgan = opened("vqgan", vqgan, VQGAN)
    recipe = training or (GPTTraining.modern() if init is None else finetuning(init))
    objective = objective_of(recipe, init)
    vqgan, conditions, gpt = parts_of_a_run(vqgan, condition, config, init, recipe)
    with accelerator_for(accelerator, recipe, Path(folder)) as accelerator:
        run = RunFolder(folder, resume, accelerator.is_main_process)
        recipe = run.extended(recipe)
        accelerator.wait_for_everyone()  # all have read the settings of a run that is resumed
        people = (KeypointsCondition.name,) if recipe.people_share else ()
        kinds = tuple(dict.fromkeys(("image", *(part.name for part in conditions if part.needs_input), *people)))
        samples, held_out = open_samples(
            data, validation, recipe, conditions, kinds=kinds,
            checked=recipe.check_data and run.last() is None, variants=recipe.token_variants or None,
            as_tokens=gpt.config.reads_tokens, crude_maps=recipe.crude_maps,
        )  # fmt: skip
        run_data = RunData.of(samples, held_out)
        if accelerator.is_main_process:
            facts = {"conditions": [part.name for part in conditions], "config": to_json(gpt.config)}
            facts |= objective.facts()
            run.begin(recipe, facts, run_data.facts())
        accelerator.wait_for_everyone()
        vqgan.to(accelerator.device)
        for part in conditions:
            part.to(accelerator.device)
        cached: Dataset[Any] = samples
        if recipe.token_variants:
            cached = open_or_encode(
                run.path / "tokens", samples, vqgan, gpt.config, accelerator, variants=recipe.token_variants,
                progress=progress,
            )  # fmt: skip
        validated = None
        if held_out is not None:
            chosen = spread(folder_classes(held_out.source.names), recipe.validation_samples, recipe.seed)
            validated = held_out_cache(held_out, vqgan, gpt.config, chosen)
        trainer = GPTTrainer(
            gpt, vqgan, conditions, recipe, accelerator, cached, validated, objective=objective, fresh=init is None
        )
        if former is not None:
            trainer.take_over(former)
        told = with_evaluation(callbacks, recipe, accelerator, run, trainer.samples_to_evaluate, len(trainer.shown))
        run_training(
            trainer, NoisySamples(cached, recipe, gpt.config, vqgan.codebook_size), run, recipe, accelerator, data=run_data,
            resume=resume, progress=progress, name="gpt", from_checkpoint=init is not None and objective.init_may_be_best, callbacks=told,
        )  # fmt: skip
        is_main = accelerator.is_main_process
    result = ImageSynthesisPipeline.from_pretrained(run.path)
    if push_to_hub is not None and is_main:
        result.push_to_hub(push_to_hub)
    return result


class GPTTrainer:
    """A CondGPT and how it is updated.

    Args:
        gpt: is trained in place.
        vqgan: the tokenizer of pictures.
        conditions: the kinds of condition.
        training: the recipe.
        accelerator: for devices, processes and precision.
        samples: what is trained on, as tokens or as pictures.
        held_out: what is validated on.
        objective: what logits are compared with.
        fresh: whether the GPT is untrained, so that its tables may be structured.
    """

    def __init__(
        self,
        gpt: CondGPT,
        vqgan: VQGAN,
        conditions: Sequence[Condition],
        training: GPTTraining,
        accelerator: Accelerator,
        samples: Dataset[Any],
        held_out: TokenCache | None = None,
        *,
        objective: Objective | None = None,
        fresh: bool = True,
    ) -> None:
        self.training, self.accelerator, self.objective = training, accelerator, objective or TrueTokens()
        self.objective.prepare(accelerator)
        self.vqgan = vqgan.eval().requires_grad_(False)
        self.conditions = tuple(condition.eval().requires_grad_(False) for condition in conditions)
        self.samples, self.held_out = samples, held_out
        self.shown: Any = samples if held_out is None else held_out
        self.config = gpt.config
        self.conditioning = gpt.conditioning
        self.order = reading_order(gpt.config.token_order, *gpt.config.window)
        model: nn.Module = gpt.train()
        if training.structured_tables and fresh:
            front = gpt.config.in_front(self.conditions)
            condition_vqgan = front[0].tokenizer if front else None
            with torch.random.fork_rng():
                torch.manual_seed(training.seed)
                model = StructuredTables(
                    gpt,
                    vqgan.quantizer.codes,
                    None if condition_vqgan is None else condition_vqgan.quantizer.codes,
                    same_grid=bool(front) and front[0].spatial and gpt.config.token_order == "row_major",
                )
        model.to(accelerator.device)
        self.average = WeightAverage(model, training.ema_decay)
        self.dropout = SampleDropout(gpt)
        if training.gradient_checkpointing:
            checkpoint_gradients(gpt.blocks)
        if training.compile:
            for block in gpt.blocks:
                block.compile()
        optimizer = make_optimizer(
            model, training.optimizer, betas=training.betas, weight_decay=training.weight_decay, outer=TABLES
        )
        self.plain = model
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        if accelerator.distributed_type.value == "FSDP" and (training.ema_decay or model is not gpt):
            raise ValueError(
                "sharded training (FSDP) keeps no average of weights and no structured tables: switch both off."
            )

    def step(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """One update: predict each token from the condition and the tokens before it (equation 8), or what a teacher predicts."""
        training, accelerator = self.training, self.accelerator
        rate = learning_rate(
            training, step, training.batch_size * training.gradient_accumulation * accelerator.num_processes
        )
        set_learning_rate(self.optimizer, rate)
        tokens, conditions = self.tokens(batch)
        known = batch["known"].to(tokens.device) if "known" in batch else None
        if known is not None:
            conditions |= known_tokens(self.config, tokens, known)
        condition = self.conditioning.drop(read_by(self.config, conditions), batch["dropped"])
        read = self._corrupted(tokens, batch)
        self.dropout.keys = batch["key"].to(tokens.device)
        with accelerator.accumulate(self.model):
            logits = self.model(read, condition)
            loss = self.objective.loss(logits, tokens, read, condition, known)
            accelerator.backward(loss)
            record = {"nats": loss.detach()} | take_step(
                accelerator, self.model, self.optimizer, training.clip_gradients
            )
        if accelerator.sync_gradients:
            self.average.update(self.plain)
        return record

    def tokens(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch's tokens, int64 (B, h, w), their places in the order in which they are read; and its conditions."""
        there = {name: values.to(self.accelerator.device) for name, values in batch.items()}
        names = self.config.reads(part.name for part in self.conditions)
        if "tokens" in there:
            tokens, conditions = there["tokens"], {name: there[name] for name in names}
        else:
            with torch.no_grad():
                tokens = self.vqgan.encode(there["image"].to(self.vqgan.from_codes.weight.dtype))
                conditions = encode_conditions(self.config, self.conditions, there)
        return tokens.flatten(1)[:, self.order.to(tokens.device)].view_as(tokens), conditions

    def _corrupted(self, tokens: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """What is read of the tokens: some are replaced at random, so that the GPT learns to recover from mistakes."""
        if "keep" not in batch:
            return tokens
        keep, replacement = (batch[name].to(tokens.device) for name in ("keep", "replacement"))
        return torch.where(keep, tokens, replacement)

    def ready(self, step: int) -> bool:
        """Any step's model may be the best."""
        del step
        return True

    def validate(self) -> dict[str, float]:
        """Nats per token on the held-out samples, beside what the objective names."""
        assert self.held_out is not None
        model = self.model if self.average.decay is None else self.average.module
        total, count, size = 0.0, len(self.held_out), self.training.batch_size
        with evaluating(model):
            for start in range(0, count, size):
                batch = stack([self.held_out[CENTRE, index] for index in range(start, min(start + size, count))])
                tokens, conditions = self.tokens(batch)
                condition = read_by(self.config, conditions)
                with self.accelerator.autocast():
                    logits = model(tokens, condition)
                total += float(self.objective.loss(logits.float(), tokens, tokens, condition)) * len(tokens) / count
        metrics = {"score": total, "nats": total}
        if isinstance(self.samples, TokenCache):
            metrics |= self.objective.reference(self.samples.tokens, self.held_out.tokens, self.vqgan.codebook_size)
        return metrics

    def gpt(self) -> CondGPT:
        """The average model as an ordinary CondGPT."""
        model: Any = self.average.module if self.average.decay is not None else self.plain
        if isinstance(model, StructuredTables):
            return model.fold()
        gpt = CondGPT(self.config).to(model.head.weight.dtype)
        state = self.accelerator.get_state_dict(self.model) if model is self.plain else model.state_dict()
        gpt.load_state_dict(state)
        return gpt.to(self.accelerator.device).eval()

    def picture(self) -> Image.Image | None:
        """Conditions beside what is drawn from them."""
        true, drawn, conditions = self._painted(self.gpt(), range(min(SHOWN, len(self.shown))))
        maps = [pictures for kind in self.conditions if (pictures := self._shown(kind, conditions))]
        return contact_sheet(list(zip(true, *maps, drawn, strict=True)))

    def samples_to_evaluate(self) -> tuple[list[Image.Image], list[Image.Image]]:
        """Samples under the conditions of the first held-out pictures, and these as the tokenizer gives them back."""
        gpt, count = self.gpt(), min(self.training.evaluate_samples, len(self.shown))
        samples: list[Image.Image] = []
        reference: list[Image.Image] = []
        for start in range(0, count, self.training.batch_size):
            true, drawn, _ = self._painted(gpt, range(start, min(start + self.training.batch_size, count)))
            reference, samples = reference + true, samples + drawn
        return samples, reference

    def _painted(self, gpt: CondGPT, indices: range) -> tuple[list[Image.Image], list[Image.Image], dict[str, Tensor]]:
        """Some pictures as tokens give them, samples under their conditions, and these conditions."""
        tokens, conditions = self.tokens(stack([self.shown[CENTRE, index] for index in indices]))
        true, drawn = beside_what_they_should_be(
            gpt, self.vqgan, tokens, read_by(self.config, conditions), order=self.order,
            top_k=self.training.sample_top_k, first_seed=indices.start,
        )  # fmt: skip
        return true, drawn, conditions

    def _shown(self, kind: Condition, conditions: Mapping[str, Tensor]) -> list[Image.Image]:
        """A condition as pictures, if it is a map."""
        if not kind.spatial or kind.name not in conditions:
            return []
        values = conditions[kind.name]
        maps = self.config.gather(
            [kind.name],
            tokens=lambda name: {name: kind.from_tokens(values)},
            values=lambda _: kind.from_aligned(values),
        )[kind.name]
        return [] if maps is None else kind.show(maps)

    def plan(self) -> list[tuple[str, str]]:
        """The model, and what it reads."""
        config, names = self.config, ", ".join(kind.name for kind in self.conditions)
        window = f"{config.window[0]}×{config.window[1]} tokens of {self.vqgan.codebook_size:,} codes"
        return [("gpt", f"{parameters(self.plain)}, {config.n_layer} blocks; windows of {window}"), ("follows", names)]

    def state(self) -> dict[str, Any]:
        """The model, what its optimizer knows, and the running average."""
        return {
            "gpt": network_state(self.accelerator, self.model),
            "optimizer_name": self.training.optimizer,
            "optimizer": optimizer_state(self.accelerator, self.model, self.optimizer),
            "average": self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what :meth:`state` gave."""
        load_network(self.accelerator, self.model, state["gpt"])
        load_optimizer(self.accelerator, self.model, self.optimizer, state.get("optimizer", {}))
        self.average.load_state_dict(state.get("average", {}))

    def take_over(self, state: dict[str, Any]) -> None:
        """Takes the optimizer's state from another run, as far as it fits; sums of tables are one table here."""
        if state["optimizer_name"] == self.training.optimizer:
            known = {name.removeprefix("gpt."): values for name, values in state.get("optimizer", {}).items()}
            load_optimizer(self.accelerator, self.model, self.optimizer, known)

    def save(self, folder: Path) -> None:
        """Writes the pipeline."""
        sampler = SlidingWindowSampler(top_k=self.training.sample_top_k, guidance_scale=self.config.guidance)
        pipe = ImageSynthesisPipeline(vqgan=self.vqgan, gpt=self.gpt(), sampler=sampler, conditions=self.conditions)
        pipe.save_pretrained(folder)

    def modules(self) -> list[nn.Module]:
        """All that is trained."""
        return [self.plain]
