"""Training a VQGAN (paper, section 3.1): :meth:`VQGANTrainer.step` is the algorithm, :func:`train_vqgan` the way in."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor, nn

from ..conditions import Condition, KeypointsCondition
from ..conditions.registry import map_reader
from ..conditions.tokenized_map import TokenizedMap
from ..storage.config_json import to_json
from ..vqgan.model import VQGAN, VQGANConfig
from ..vqgan.quantizer import perplexity
from .adversary import Adversary, DiscriminatorOfBoth, check_crop
from .argument_types import check_condition, check_run, check_type, opened
from .callbacks import Callbacks
from .gradient_checkpointing import checkpoint_gradients
from .initialisation import config_to_train, new_vqgan, tokenizer_inputs, whiten_by
from .loop import accelerator_for, run_training
from .losses import (
    adversarial_loss,
    balance,
)
from .networks import Reconstructor, channels_last, freeze_parts
from .optimizers import make_optimizer, set_learning_rate, take_step
from .perceptual import perceptual_loss
from .plan import RunData, parameters
from .processes import mean, total
from .reconstruction_term import ReconstructionTerm
from .run_folder import RunFolder, former_state
from .sample_dropout import KeyedSamples, SampleDropout
from .samples import Samples, open_samples, random_numbers
from .samples import check as check  # which was found here before, too
from .settings import VQGANTraining, learning_rate
from .state_files import load_network, load_optimizer, network_state, optimizer_state
from .vqgan_validation import VQGANValidation, fidelity
from .weight_average import WeightAverage

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["VQGANTrainer", "train_vqgan"]

OUTER_LAYERS = ("conv_in", "conv_out", "codes", "codebook", "projection")


def train_vqgan(
    data: Any,
    folder: str | os.PathLike[str],
    *,
    config: VQGANConfig | None = None,
    training: VQGANTraining | None = None,
    init: VQGAN | str | os.PathLike[str] | None = None,
    kind: str = "image",
    condition: Condition | None = None,
    validation: Any = None,
    perceptual: nn.Module | None = None,
    resume: bool = False,
    accelerator: Accelerator | None = None,
    progress: bool = True,
    callbacks: Callbacks | None = None,
    push_to_hub: str | None = None,
) -> VQGAN:
    """Trains a tokenizer of pictures, or of a condition's maps, from scratch or from a checkpoint.

    Run by ``accelerate launch`` or ``torchrun``, all processes take part. A run that was stopped or killed goes on, to
    the same numbers, with ``resume=True``.

    Args:
        data: a folder of pictures, a folder of pairs, a list file, or a data set; see
            :func:`vqgan_transformer.training.data.open_data`.
        folder: of the run: the result (for ``VQGAN.from_pretrained``), checkpoints, metrics, pictures.
        config: of a new VQGAN; by default ``VQGANConfig.modern()`` with the channels of the kind.
        training: the recipe; by default ``VQGANTraining.modern()``, and ``.finetune()`` with ``init``; ``.paper()`` is the
            original's.
        init: a VQGAN to start from instead, or where one is (what ``VQGAN.from_pretrained`` takes); it is not changed.
            From the folder of a run, discriminator and optimizer come along. ``training.freeze`` names parts to keep.
        kind: what is tokenized: "image", or the maps of a condition: "segmentation", "depth", "keypoints",
            "condition_image".
        condition: reads the maps: for colours, label spaces, which depth is near. Needed for segmentation, unless the
            maps hold the ids 0…N-1 for a VQGAN of N channels.
        validation: data of the same form; by default a share of ``data`` is set aside.
        perceptual: a module (images, reconstruction) -> distances, instead of ``training.perceptual``.
        resume: go on with the run in ``folder``, or begin it if there is none. With more ``max_steps`` it is extended.
        accelerator: an Accelerator of your own.
        progress: print what is going to happen, and show a bar.
        callbacks: functions that are told of steps, validations and checkpoints, and may end the run.
        push_to_hub: a repository ("owner/name") to which the result is uploaded at the end.

    Returns:
        what was saved: the VQGAN that was best on the validation data since the discriminator had its full weight (or
        ``init``, if none was better), the last one without validation data; in eval mode.

    Raises:
        TypeError: for an argument of another type.
        ValueError: for settings that do not fit each other, the model or the data; bad files are all named at once.
        CheckpointError: where ``init`` cannot be loaded.
        FileExistsError: for a folder that holds a run already.
        Diverged: when losses become infinite or NaN.
    """
    check_type("config", config, VQGANConfig, "a VQGANConfig")
    check_type("training", training, VQGANTraining, "a VQGANTraining, the first stage's recipe")
    check_type("perceptual", perceptual, nn.Module, "a module; names and files go into VQGANTraining(perceptual=…)")
    check_run(folder, validation, resume, accelerator, callbacks, push_to_hub)
    check_condition(condition)
    start, init = init, opened("init", init, VQGAN)
    former = None if isinstance(start, VQGAN) else former_state(start)
    default = VQGANTraining.modern if init is None else VQGANTraining.finetune
    recipe = (training or default()).for_kind(kind)
    check_crop(recipe)
    with accelerator_for(accelerator, recipe, Path(folder)) as accelerator:
        run = RunFolder(folder, resume, accelerator.is_main_process)
        recipe = run.extended(recipe)
        accelerator.wait_for_everyone()  # all have read the settings of a run that is resumed
        reader = map_reader(kind, condition, init.config if init is not None else config)
        focused = recipe.people_weight != 1 or recipe.people_share > 0
        conditions = (reader,) if reader is not None else (KeypointsCondition(),) if focused else ()
        kinds = conditions[0].sample_kinds if conditions else ("image",)
        vqgan = new_vqgan(config_to_train(config, init, reader, recipe), init, recipe)
        recipe = recipe.for_quantizer(vqgan.quantizer)
        if init is not None:
            recipe.warn_of_new_tokens()
        distance = (
            perceptual if perceptual is not None else perceptual_loss(recipe.perceptual, vqgan.config.out_channels)
        )
        samples, held_out = open_samples(
            data, validation, recipe, conditions, kinds=kinds,
            checked=recipe.check_data and run.last() is None, with_image=reader is None,
        )  # fmt: skip
        if init is None and recipe.whiten:
            whiten_by(vqgan, samples, reader, recipe.seed)
        run_data = RunData.of(samples, held_out)
        if accelerator.is_main_process:
            run.begin(recipe, {"kind": kind, "config": to_json(vqgan.config)}, run_data.facts())
        accelerator.wait_for_everyone()
        trainer = VQGANTrainer(vqgan, recipe, accelerator, distance, reader, samples, held_out)
        if former is not None:
            trainer.take_over(former)
        run_training(
            trainer, KeyedSamples(samples, recipe.seed), run, recipe, accelerator, data=run_data, resume=resume,
            progress=progress, name="vqgan", from_checkpoint=init is not None, callbacks=callbacks,
        )  # fmt: skip
        is_main = accelerator.is_main_process
    result = VQGAN.from_pretrained(run.path)
    if push_to_hub is not None and is_main:
        result.push_to_hub(push_to_hub)
    return result


class VQGANTrainer:
    """A VQGAN, its discriminator, and how both are updated.

    Args:
        vqgan: is trained in place.
        training: the recipe, complete (see :meth:`VQGANTraining.for_kind`).
        accelerator: for devices, processes and precision.
        perceptual: the perceptual term.
        reader: the condition whose maps are tokenized; ``None`` for pictures.
        samples: what is trained on.
        held_out: what is validated on.
    """

    def __init__(
        self,
        vqgan: VQGAN,
        training: VQGANTraining,
        accelerator: Accelerator,
        perceptual: nn.Module | None = None,
        reader: TokenizedMap | None = None,
        samples: Samples | None = None,
        held_out: Samples | None = None,
    ) -> None:
        training = training.for_quantizer(vqgan.quantizer)
        self.training, self.accelerator, self.reader = training, accelerator, reader
        self.vqgan = vqgan.train().to(accelerator.device)
        self.average = WeightAverage(self.vqgan, training.ema_decay)
        device, dtype = accelerator.device, vqgan.from_codes.weight.dtype
        perceptual = None if perceptual is None else perceptual.to(device, dtype).eval().requires_grad_(False)
        freeze_parts(vqgan, training)
        self.dropout = SampleDropout(vqgan)
        reconstructor = Reconstructor(vqgan, training).to(device)
        self.codebook = reconstructor.codebook
        self.channels_last = training.channels_last
        if self.channels_last is None:
            self.channels_last = device.type == "cuda" or vqgan.config.norm == "channel"
        if self.channels_last:
            for module in (vqgan, perceptual):
                if module is not None:
                    channels_last(module)
        optimizer = make_optimizer(
            vqgan, training.optimizer, betas=training.betas, weight_decay=training.weight_decay, outer=OUTER_LAYERS
        )
        levels = [*vqgan.encoder.levels, *vqgan.decoder.levels]
        if training.gradient_checkpointing:
            checkpoint_gradients(levels)
        if training.compile:
            for level in levels:  # not the last layer: equation 7 goes through it twice, which compiled graphs refuse
                level.compile()
        self.reconstructor, self.optimizer = accelerator.prepare(reconstructor, optimizer)

        def prepare(network: nn.Module) -> nn.Module:
            network = network.to(device, dtype)
            return channels_last(network) if self.channels_last else network

        self.adversary = Adversary(vqgan.config.out_channels, training, accelerator, prepare)
        self.used = torch.zeros(vqgan.codebook_size, device=device)
        self.distance = ReconstructionTerm(training, perceptual)
        self._importance = self.distance.importance
        shown = held_out if held_out is not None else samples
        self.validation = None
        if shown is not None:
            look = self.inputs, self.distance, accelerator.autocast
            self.validation = VQGANValidation(shown, training, reader, *look)

    def step(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """One part of an update: reconstruct, weigh the losses, learn; after the last part, the discriminator learns.

        The losses' gradients are taken at the reconstruction, so that each network behind it is run backwards once, and
        carried on into the VQGAN together. It is the gradient of the sum, and equation 7 needs the parts anyway. Parts of
        an update (``gradient_accumulation``) are one batch but for equation 7 and batch normalisation, which see a part.
        """
        training, accelerator = self.training, self.accelerator
        images = self.inputs(batch)
        set_learning_rate(self.optimizer, self._rate(step, training.learning_rate))
        self.vqgan.quantizer.anneal(min(1.0, step / training.max_steps), training.gumbel_temperatures)
        self.dropout.keys = keys = self._keys(batch, images)
        seed = int(random_numbers(training.seed, 2, step).integers(2**63))
        with accelerator.accumulate(self.reconstructor):
            reconstruction, codebook_loss, tokens = self.reconstructor(images, step, seed)  # equations 1 to 3
            output = reconstruction.detach().requires_grad_()
            importance = self._importance(batch)
            importance = importance if importance is None else importance.to(images)
            distance = self.distance(images, output, importance)  # |x - x̂| and the perceptual term
            gradient = self._gradient(distance, output)
            record = {"loss": distance.detach(), "codebook_loss": codebook_loss.detach()}
            if adversarial_weight := self.adversary.weight(step):
                adversarial = adversarial_loss(self.adversary.logits(output))  # equation 5, the generator's side
                adversarial_gradient = self._gradient(adversarial, output)
                weight = adversarial_weight * self._balance(reconstruction, gradient, adversarial_gradient)
                gradient = gradient + weight * adversarial_gradient  # equation 6
                record |= {"adversarial": adversarial.detach(), "adaptive_weight": weight}
            accelerator.backward((reconstruction * gradient).sum() + training.codebook_weight * codebook_loss)
            if accelerator.sync_gradients and self.codebook is not None:
                self.codebook.forget_gradient(step)
            record |= take_step(accelerator, self.vqgan, self.optimizer, training.clip_gradients)
        self.adversary.remember(images, output, keys, step)
        if accelerator.sync_gradients:
            highest = training.learning_rate if training.disc_learning_rate is None else training.disc_learning_rate
            record |= self.adversary.learn(self._rate(step, highest), partial(self._reconstruct, step, seed))
            self.average.update(self.vqgan)
        return record | self._monitor(images, output.detach(), tokens, step)

    def _rate(self, step: int, highest: float) -> float:
        training = self.training
        samples = training.batch_size * training.gradient_accumulation * self.accelerator.num_processes
        return learning_rate(training, step, samples, highest)

    def _keys(self, batch: dict[str, Tensor], images: Tensor) -> Tensor:
        """What dropout is drawn from, int64 (B,): of the samples, or new ones for pictures that bring none."""
        keys = batch["key"] if "key" in batch else torch.randint(2**62, (len(images),))
        return keys.to(images.device)

    @torch.no_grad()
    def _reconstruct(self, step: int, seed: int, images: Tensor, keys: Tensor) -> Tensor:
        self.dropout.keys = keys
        result: Tensor = self.reconstructor(images, step, seed)[0]
        return result

    def inputs(self, batch: dict[str, Tensor]) -> Tensor:
        """What the VQGAN reads of a batch: (B, in_channels, H, W)."""
        weight = self.vqgan.from_codes.weight
        images = tokenizer_inputs(batch, self.reader, self.vqgan.config)
        images = images.to(weight.device, weight.dtype)
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def _balance(self, reconstruction: Tensor, gradient: Tensor, adversarial_gradient: Tensor) -> Tensor:
        """Equation 7, from the gradients of both terms at the reconstruction."""
        last = self.vqgan.decoder.last_layer
        at_last_layer = [
            mean(torch.autograd.grad(reconstruction, last, part, retain_graph=True)[0])
            for part in (gradient, adversarial_gradient)
        ]
        return balance(*at_last_layer)

    def _gradient(self, loss: Tensor, at: Tensor) -> Tensor:
        # in half precision, small gradients would vanish on their way
        scale = self.accelerator.scaler.get_scale() if self.accelerator.scaler is not None else 1.0
        return torch.autograd.grad(loss * scale, at)[0] / scale

    @property
    def critic(self) -> DiscriminatorOfBoth:
        """The discriminator in its wrapper."""
        return self.adversary.unwrapped

    _critic = critic

    @torch.no_grad()
    def _monitor(self, images: Tensor, reconstruction: Tensor, tokens: Tensor, step: int) -> dict[str, Tensor]:
        chosen = tokens.flatten()
        self.used.index_add_(0, chosen, torch.ones_like(chosen, dtype=self.used.dtype))
        record = {"perplexity": perplexity(tokens, len(self.used))}
        record |= fidelity(images, reconstruction, self.training.pixel_loss in ("l1", "l2"))
        if (step + 1) % self.training.log_every == 0 and self.accelerator.sync_gradients:
            record["codes_used"] = (total(self.used) > 0).sum()
            self.used.zero_()
        return record

    def ready(self, step: int) -> bool:
        """Whether codes are there and the discriminator has its full weight, so that models compare."""
        training = self.training
        adversary = training.disc_start + training.disc_ramp if training.disc_weight else 0
        return step > (training.codebook_start or 0) and step >= min(adversary, training.max_steps)

    def validate(self) -> dict[str, float]:
        """The average model on the held-out samples."""
        assert self.validation is not None
        return self.validation.measure(self.average.module)

    def picture(self) -> Image.Image | None:
        """Inputs beside what the average model makes of them."""
        return self.validation.picture(self.average.module) if self.validation is not None else None

    def plan(self) -> list[tuple[str, str]]:
        """The networks, what of them learns, and when."""
        training, vqgan, config = self.training, self.vqgan, self.vqgan.config
        lines = [
            (
                "vqgan",
                f"{parameters(vqgan)}, f = {vqgan.downsample_factor}, {config.codebook_size:,} codes of length {config.code_dim}",
            )
        ]
        if training.codebook_start:
            lines.append(("codes", f"placed by k-means at step {training.codebook_start:,}"))
        return lines + self.adversary.plan()

    def state(self) -> dict[str, Any]:
        """The networks, what their optimizers know, the running average, and the count of codes."""
        accelerator = self.accelerator
        return {
            "vqgan": network_state(accelerator, self.reconstructor),
            "optimizer_name": self.training.optimizer,
            "optimizer": optimizer_state(accelerator, self.reconstructor, self.optimizer),
            "adversary": self.adversary.state(),
            "average": self.average.state_dict(),
            "used": self.used,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what :meth:`state` gave."""
        load_network(self.accelerator, self.reconstructor, state["vqgan"])
        load_optimizer(self.accelerator, self.reconstructor, self.optimizer, state.get("optimizer", {}))
        self.adversary.restore(state.get("adversary", {}))
        self.average.load_state_dict(state.get("average", {}))
        self.used.copy_(state["used"])

    def take_over(self, state: dict[str, Any]) -> None:
        """Takes discriminator and optimizer from another run's state, as far as they fit."""
        if state["optimizer_name"] == self.training.optimizer:
            load_optimizer(self.accelerator, self.reconstructor, self.optimizer, state.get("optimizer", {}))
        self.adversary.take_over(state.get("adversary", {}))

    def save(self, folder: Path) -> None:
        """Writes the average model."""
        model = self.average.module
        if self.training.gradient_checkpointing or self.training.compile:
            clean = VQGAN(model.config).to(model.from_codes.weight.dtype)
            clean.load_state_dict(model.state_dict())
            model = clean
        model.save_pretrained(folder)

    def modules(self) -> list[nn.Module]:
        """All that is trained."""
        return [self.vqgan, *([self.adversary.unwrapped] if self.training.disc_weight else [])]
