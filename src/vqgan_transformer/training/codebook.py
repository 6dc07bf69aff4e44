"""Learning a codebook that does not collapse: running means, a late start, and revival of dead codes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..vqgan.quantizer import Quantized, Quantizer, straight_through
from .processes import gather, processes, total

__all__ = ["CodebookTrainer"]


class CodebookTrainer(nn.Module):
    """Learns the codes of a quantizer; the quantizer itself only looks them up.

    A codebook that is there from the start collapses: the untrained encoder sends everything to a dozen codes. So
    latents may pass unquantised at first (``start`` steps); then k-means places all codes at once; and codes that hardly
    any latent chooses are put on a latent of late. All of it sees the latents of all processes, and of all parts into
    which an update's batch is divided: codes stay as they are until the last of them.

    Args:
        quantizer: whose codes are learned.
        learning: "ema" makes each code the running mean of the latents that choose it (van den Oord et al. 2017,
            appendix A.1); "gradient" leaves them to the codebook loss (equation 4).
        decay: of the running means.
        start: steps before there are codes.
        revive_below: share of the mean count under which a code is dead; 0 revives none.
        parts: into which the batch of an update is divided (gradient accumulation).
        memory: latents that are remembered for k-means and revival.
    """

    recent: Tensor
    filled: Tensor
    counts: Tensor
    idle: Tensor
    sums: Tensor
    started: Tensor

    def __init__(
        self,
        quantizer: Quantizer,
        *,
        learning: str = "ema",
        decay: float = 0.99,
        start: int = 0,
        revive_below: float = 0.03,
        parts: int = 1,
        memory: int = 16384,
    ) -> None:
        super().__init__()
        self._hidden = (quantizer,)  # in a tuple, so that its weights are not this module's too
        self.learning, self.decay, self.start, self.revive_below = learning, decay, start, revive_below
        self.parts = parts
        weight = self._codes
        if learning == "ema":
            weight.requires_grad_(False)
        kept = max(memory, 4 * len(weight)) if start or revive_below else 0
        self.register_buffer("recent", weight.new_zeros(kept, weight.shape[1]))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))
        self.register_buffer("counts", weight.new_ones(len(weight)))
        self.register_buffer("idle", torch.zeros(len(weight), dtype=torch.long))  # updates in which nobody chose a code
        self.register_buffer("sums", quantizer.codes.detach().clone())
        self.register_buffer("started", torch.tensor(start == 0))
        self._placed = False  # started, without asking the device at every step
        self._parts: list[
            tuple[Tensor, Tensor]
        ] = []  # of this update: counts (K,) and sums (K, d) of what chose each code

    @property
    def quantizer(self) -> Quantizer:
        """Whose codes are learned."""
        return self._hidden[0]

    @property
    def _codes(self) -> Tensor:
        codes = self.quantizer.free_codes
        if codes is None:
            raise ValueError(
                f"codebook_learning='ema', codebook_start and revive_below are for codes that are vectors of their own, as "
                f"the nearest codes are, not for those of a {type(self.quantizer).__name__}."
            )
        return codes

    def forward(self, latents: Tensor, step: int, seed: int) -> Quantized:
        """(B, d, h, w) -> what the decoder gets, with gradients to the latents; tokens; the loss.

        Args:
            latents: of the encoder.
            step: number of the update.
            seed: of the draws of this update.
        """
        quantizer = self.quantizer
        latents = latents.to(self._codes.dtype)
        learns = self.training and torch.is_grad_enabled()
        if step < self.start:
            unit = quantizer.comparable(latents)
            if learns:
                self._remember(_rows(unit.detach()))
            tokens = torch.zeros(len(latents), *latents.shape[2:], dtype=torch.long, device=latents.device)
            # several processes expect a gradient of every parameter: zeros, see forget_gradient
            codes = self._codes
            loss = 0 * codes.sum() if codes.requires_grad else latents.new_zeros(())
            return Quantized(unit, tokens, loss)
        if not self._placed:
            if not self.started:
                self._place_codes(torch.Generator().manual_seed(seed))
            self._placed = True
        if learns and self.revive_below and not self._parts:
            rows = len(latents) * latents[0, 0].numel() * self.parts * processes()
            self._revive(rows, torch.Generator().manual_seed(seed))  # before codes enter the graph
        if self.learning == "gradient":
            quantized = quantizer(latents)
        else:
            unit = quantizer.comparable(latents)
            tokens = quantizer.tokens(latents.detach())
            codes = quantizer.lookup(tokens)
            loss = quantizer.commitment_weight * F.mse_loss(unit, codes)
            quantized = Quantized(straight_through(codes, unit), tokens, loss)
        if learns and (self.learning == "ema" or self.revive_below):
            self._count(latents.detach(), quantized.tokens)
        result: Quantized = quantized
        return result

    @torch.no_grad()
    def _count(self, latents: Tensor, tokens: Tensor) -> None:
        """Remembers who chose which code in a part of an update."""
        rows = _rows(self.quantizer.comparable(latents))
        chosen, counts = tokens.flatten(), torch.zeros_like(self.counts)
        counts.index_add_(0, chosen, torch.ones_like(chosen, dtype=counts.dtype))
        sums = torch.zeros_like(self.sums)
        if self.learning == "ema":
            sums.index_add_(0, chosen, rows)
        self._parts.append((counts, sums))
        if self.revive_below:
            self._remember(rows)
        if len(self._parts) == self.parts:
            self._follow()

    def forget_gradient(self, step: int) -> None:
        """Takes back the zeros that codes got as their gradient while latents pass unquantised, before they are counted."""
        if step < self.start:
            self._codes.grad = None

    def _follow(self) -> None:
        """Running means take up what all parts of an update have chosen."""
        counts, sums = (total(torch.stack(parts).sum(0)) for parts in zip(*self._parts, strict=True))
        self._parts = []
        self.counts.lerp_(counts, 1 - self.decay)
        self.idle = torch.where(counts > 0, 0, self.idle + 1)
        if self.learning == "ema":
            self.sums.lerp_(sums, 1 - self.decay)
            # a code that nobody chose stays: its sum and its count fade alike, in the end to nothing over nothing
            chosen = counts[:, None] > 0
            self._set(torch.where(chosen, self.sums / self.counts[:, None], self._codes))

    @torch.no_grad()
    def _revive(self, rows: int, generator: torch.Generator) -> None:
        """Puts codes that were idle for long on latents of the last update, at most as many as it had (``rows``).

        A code with the share ``revive_below`` of the mean is chosen once in so many updates, on average. Nothing here waits
        for the device: the codes that were idle for longest are looked at, whether they are dead or not.
        """
        count = min(rows, len(self.counts))
        patience = len(self.counts) / (rows * self.revive_below)
        longest = self.idle.topk(count).indices
        dead = self.idle[longest, None] >= patience
        order = torch.randperm(count, generator=generator).to(self.recent.device)
        latents = self.recent[(self.filled - 1 - order) % len(self.recent)]
        mean = self.counts.mean()
        self.sums[longest] = torch.where(dead, latents * mean, self.sums[longest])
        self._codes.data[longest] = torch.where(dead, latents, self._codes[longest])
        self.counts[longest] = torch.where(dead[:, 0], mean, self.counts[longest])
        self.idle[longest] = torch.where(dead[:, 0], 0, self.idle[longest])

    @torch.no_grad()
    def _place_codes(self, generator: torch.Generator, rounds: int = 15) -> None:
        """K-means of the latents that are remembered; a code without any goes to the latent that is farthest from its own."""
        size = len(self.counts)
        latents = self.recent[: min(int(self.filled), len(self.recent))]
        self._set(self._draw(size, generator))
        for _ in range(rounds):
            tokens = self.quantizer.tokens(rearrange(latents, "n d -> 1 d n 1")).flatten()
            counts = torch.bincount(tokens, minlength=size).to(latents.dtype)
            sums = torch.zeros_like(self.sums).index_add_(0, tokens, latents)
            lonely = (counts < 1).nonzero()[:, 0][: len(latents)]
            distances = (latents - self.quantizer.codes[tokens]).square().sum(1)
            sums[lonely], counts[lonely] = latents[distances.topk(len(lonely)).indices], 1
            self._set(torch.where(counts[:, None] > 0, sums / counts[:, None], self.quantizer.codes))
        self.sums.copy_(self.quantizer.codes)
        self.counts.fill_(1.0)
        self.started.fill_(True)

    def _set(self, codes: Tensor) -> None:
        self._codes.data.copy_(self.quantizer.comparable(codes))

    def _remember(self, rows: Tensor) -> None:
        rows = gather(rows)
        count, kept = len(rows), rows[-len(self.recent) :]
        places = (self.filled + torch.arange(count - len(kept), count, device=rows.device)) % len(self.recent)
        self.recent[places] = kept
        self.filled += count

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Different ones, as long as there are enough: of two codes on one latent, the second would never be chosen."""
        there = min(int(self.filled), len(self.recent))
        order = torch.randperm(there, generator=generator).to(self.recent.device)
        return self.recent[order.repeat(-(-count // there))[:count]]


def _rows(latents: Tensor) -> Tensor:
    return rearrange(latents, "b d h w -> (b h w) d")
