"""The adversarial side of a VQGAN's training (paper, equation 5): what the generator hears of it, and how it learns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .discriminator import PatchDiscriminator
from .losses import discriminator_loss, lecam_loss
from .optimizers import make_optimizer, set_learning_rate
from .plan import parameters, warn_if_never
from .processes import mean
from .settings import VQGANTraining
from .state_files import load_network, load_optimizer, network_state, optimizer_state

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Adversary", "DiscriminatorOfBoth", "check_crop"]


class DiscriminatorOfBoth(nn.Module):
    """The discriminator, shown originals and reconstructions; remembers its mean logits for LeCam."""

    mean_real: Tensor
    mean_fake: Tensor

    def __init__(self, channels: int, training: VQGANTraining) -> None:
        super().__init__()
        self.discriminator = PatchDiscriminator(
            channels, training.disc_channels, training.disc_layers, norm=training.disc_norm
        )
        self.register_buffer("mean_real", torch.zeros(()))
        self.register_buffer("mean_fake", torch.zeros(()))
        self._parts: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor, reconstruction: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both, each batch by itself, as batch normalisation needs it."""
        return self.discriminator(images), self.discriminator(reconstruction)

    def lecam(self, real: Tensor, fake: Tensor) -> Tensor:
        """The regulariser of a part of an update, against the means of the updates before."""
        self._parts.append((real.detach().mean(), fake.detach().mean()))
        return lecam_loss(real, fake, self.mean_real.clone(), self.mean_fake.clone())

    def follow_logits(self) -> None:
        """After an update, the running means take up the logits of its parts."""
        if not self._parts:
            return
        for running, values in zip((self.mean_real, self.mean_fake), zip(*self._parts, strict=True), strict=True):
            running.lerp_(mean(torch.stack(values).mean()).to(running.dtype), 0.01)
        self._parts = []


class Adversary:
    """A discriminator in training; without ``training.disc_weight`` there is none, and nothing happens.

    Args:
        channels: of the pictures.
        training: the recipe.
        accelerator: for processes and precision.
        prepare: what is done to the network before it is wrapped for several processes.
    """

    def __init__(
        self,
        channels: int,
        training: VQGANTraining,
        accelerator: Accelerator,
        prepare: Callable[[nn.Module], nn.Module],
    ) -> None:
        check_crop(training)
        self.training, self.accelerator = training, accelerator
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        if not training.disc_weight:
            return
        with torch.random.fork_rng():
            torch.manual_seed(training.seed)
            networks = prepare(DiscriminatorOfBoth(channels, training))
        optimizer = make_optimizer(networks, "adam", betas=(0.5, 0.9), weight_decay=0.0)
        self.networks, self.optimizer = accelerator.prepare(networks, optimizer)

    def weight(self, step: int) -> float:
        """The weight of the adversarial term at a step, before equation 7."""
        training = self.training
        since = step - training.disc_start
        if not training.disc_weight or since < 0:
            return 0.0
        return training.disc_weight * min(1.0, (since + 1) / training.disc_ramp if training.disc_ramp else 1.0)

    def plan(self) -> list[tuple[str, str]]:
        """When the discriminator learns, and when the generator hears of it."""
        training = self.training
        if not training.disc_weight:
            return [("", "no discriminator")]
        warn_if_never("the discriminator's part", training.disc_start, training)
        learns, full = max(0, training.disc_start - training.disc_warmup), training.disc_start + training.disc_ramp
        when = f"learns from step {learns:,}, counts from {training.disc_start:,}, with weight {training.disc_weight:g} from {full:,}"
        return [("against", f"a discriminator of {parameters(self.unwrapped)}; {when}")]

    def state(self) -> dict[str, Any]:
        """The discriminator's weights and what its optimizer knows."""
        if not self.training.disc_weight:
            return {}
        return {
            "network": network_state(self.accelerator, self.networks),
            "optimizer": optimizer_state(self.accelerator, self.networks, self.optimizer),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what :meth:`state` gave."""
        if self.training.disc_weight:
            load_network(self.accelerator, self.networks, state["network"])
            load_optimizer(self.accelerator, self.networks, self.optimizer, state.get("optimizer", {}))

    def take_over(self, state: dict[str, Any]) -> None:
        """Takes the discriminator of another run, if it has one of the same form."""
        if not (self.training.disc_weight and state):
            return
        shapes = {name: value.shape for name, value in network_state(self.accelerator, self.networks).items()}
        if shapes == {name: value.shape for name, value in state["network"].items()}:
            self.restore(state)
        else:
            warnings.warn("the discriminator of the run in init= has another form: a new one begins.", stacklevel=4)

    @property
    def unwrapped(self) -> DiscriminatorOfBoth:
        """Past the wrapper of several processes."""
        result: DiscriminatorOfBoth = self.accelerator.unwrap_model(self.networks)
        return result

    def logits(self, images: Tensor) -> Tensor:
        """What the generator hears: gradients pass to the images, but not to the discriminator's weights."""
        discriminator = self.unwrapped.discriminator.requires_grad_(False)
        with self.accelerator.autocast():
            logits = discriminator(images)
        discriminator.requires_grad_(True)
        result: Tensor = logits.to(images.dtype)
        return result

    def remember(self, images: Tensor, reconstruction: Tensor, keys: Tensor, step: int) -> None:
        """Keeps a part of an update until :meth:`learn`, from ``disc_warmup`` steps before the generator hears of it on."""
        if self.training.disc_weight and step >= self.training.disc_start - self.training.disc_warmup:
            self._parts.append((images, reconstruction.detach(), keys))

    def learn(self, rate: float, reconstruct: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Tensor]:
        """Equation 5, the discriminator's side, on all parts of an update.

        Args:
            rate: the learning rate.
            reconstruct: (images, keys) -> what the updated generator makes of them, for ``discriminator_forward="fresh"``.

        Returns:
            scalars to log.
        """
        training, accelerator, parts = self.training, self.accelerator, self._parts
        self._parts, records = [], []
        if not parts:
            return {}
        for number, (images, fake, keys) in enumerate(parts, start=1):
            if training.discriminator_forward == "fresh":
                fake = reconstruct(images, keys)
            # gradients are exchanged once, with those of the last part
            with nullcontext() if number == len(parts) else accelerator.no_sync(self.networks):
                logits_real, logits_fake = self.networks(images, fake)
                loss = discriminator_loss(logits_real, logits_fake, training.disc_loss)
                if training.lecam_weight:
                    loss = loss + training.lecam_weight * self.unwrapped.lecam(logits_real, logits_fake)
                accelerator.backward(loss)
            records.append(torch.stack([loss, logits_real.mean(), logits_fake.mean()]).detach())
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.unwrapped.follow_logits()
        return dict(zip(("disc_loss", "logits_real", "logits_fake"), torch.stack(records).mean(0), strict=True))


def check_crop(training: VQGANTraining) -> None:
    """Compares the crop with what the discriminator needs, which is first run late in a training.

    Raises:
        ValueError: for a crop that it shrinks to nothing.
    """
    needed, shorter = PatchDiscriminator.smallest_side(training.disc_layers), min(training.crop)
    if training.disc_weight and shorter < needed:
        fitting = [
            layers for layers in range(1, training.disc_layers) if PatchDiscriminator.smallest_side(layers) <= shorter
        ]
        advice = f"disc_layers={fitting[-1]}, " if fitting else ""
        raise ValueError(
            f"a crop of {training.crop[0]}×{training.crop[1]} pixels is too small for a discriminator with "
            f"disc_layers={training.disc_layers}: pass {advice}crop_size={needed} or more, or disc_weight=0."
        )
