"""Learning a codebook that does not collapse: running means, a late start, and revival of dead codes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..vqgan.quantizer import Quantized, Quantizer, straight_through
from .processes import gather, total

__all__ = ["CodebookTrainer"]


class CodebookTrainer(nn.Module):
    """Learns the codes of a quantizer; the quantizer itself only looks them up.

    A codebook that is there from the start collapses: the untrained encoder sends everything to a dozen codes. So
    latents may pass unquantised at first (``start`` steps); then k-means places all codes at once; and codes that hardly
    any latent chooses are put on a latent of late. All of it sees the latents of all processes.

    Args:
        quantizer: whose codes are learned.
        learning: "ema" makes each code the running mean of the latents that choose it (van den Oord et al. 2017,
            appendix A.1); "gradient" leaves them to the codebook loss (equation 4).
        decay: of the running means.
        start: steps before there are codes.
        revive_below: share of the mean count under which a code is dead; 0 revives none.
        memory: latents that are remembered for k-means and revival.
    """

    recent: Tensor
    filled: Tensor
    counts: Tensor
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
        memory: int = 16384,
    ) -> None:
        super().__init__()
        self._hidden = (quantizer,)  # in a tuple, so that its weights are not this module's too
        self.learning, self.decay, self.start, self.revive_below = learning, decay, start, revive_below
        weight = self._codes
        if learning == "ema":
            weight.requires_grad_(False)
        kept = max(memory, 4 * len(weight)) if start or revive_below else 0
        self.register_buffer("recent", weight.new_zeros(kept, weight.shape[1]))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))
        self.register_buffer("counts", weight.new_ones(len(weight)))
        self.register_buffer("sums", quantizer.codes.detach().clone())
        self.register_buffer("started", torch.tensor(start == 0))

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
        if step < self.start:
            unit = quantizer.comparable(latents)
            self._remember(_rows(unit.detach()))
            tokens = torch.zeros(len(latents), *latents.shape[2:], dtype=torch.long, device=latents.device)
            return Quantized(unit, tokens, latents.new_zeros(()))
        if not self.started:
            self._place_codes(torch.Generator().manual_seed(seed))
        learns = self.training and torch.is_grad_enabled()
        if learns and self.revive_below and step % 50 == 49 and int(self.filled):
            self._revive(torch.Generator().manual_seed(seed))  # before codes enter the graph
        if self.learning == "gradient":
            quantized = quantizer(latents)
        else:
            unit = quantizer.comparable(latents)
            tokens = quantizer.tokens(latents.detach())
            codes = quantizer.lookup(tokens)
            loss = quantizer.commitment_weight * F.mse_loss(unit, codes)
            quantized = Quantized(straight_through(codes, unit), tokens, loss)
        if learns:
            self._follow(latents.detach(), quantized.tokens)
        return quantized

    @torch.no_grad()
    def _follow(self, latents: Tensor, tokens: Tensor) -> None:
        if self.learning == "gradient" and not self.revive_below:
            return
        rows = _rows(self.quantizer.comparable(latents))
        chosen, rate = tokens.flatten(), 1 - self.decay
        counts = torch.bincount(chosen, minlength=len(self.counts)).to(self.counts.dtype)
        self.counts.lerp_(total(counts), rate)
        if self.learning == "ema":
            self.sums.lerp_(total(torch.zeros_like(self.sums).index_add_(0, chosen, rows)), rate)
        if self.revive_below:
            self._remember(rows)
        if self.learning == "ema":
            self._set(self.sums / self.counts.clamp(min=1e-6)[:, None])

    @torch.no_grad()
    def _revive(self, generator: torch.Generator) -> None:
        mean = self.counts.mean()
        dead = (self.counts < self.revive_below * mean).nonzero()[:, 0]
        latents = self._draw(len(dead), generator)
        self.counts[dead] = mean
        self.sums[dead] = latents * mean
        if self.learning == "gradient":
            self._codes[dead] = latents
        else:
            self._set(self.sums / self.counts.clamp(min=1e-6)[:, None])

    @torch.no_grad()
    def _place_codes(self, generator: torch.Generator, rounds: int = 15) -> None:
        size = len(self.counts)
        latents = self.recent[: min(int(self.filled), len(self.recent))]
        self._set(self._draw(size, generator))
        for _ in range(rounds):
            tokens = self.quantizer.tokens(rearrange(latents, "n d -> 1 d n 1")).flatten()
            counts = torch.bincount(tokens, minlength=size).to(latents.dtype)
            sums = torch.zeros_like(self.sums).index_add_(0, tokens, latents)
            lonely = (counts < 1).nonzero()[:, 0]
            sums[lonely], counts[lonely] = self._draw(len(lonely), generator), 1
            self._set(sums / counts[:, None])
        self.sums.copy_(self.quantizer.codes)
        self.counts.fill_(1.0)
        self.started.fill_(True)

    def _set(self, codes: Tensor) -> None:
        self._codes.data.copy_(self.quantizer.comparable(codes))

    def _remember(self, rows: Tensor) -> None:
        rows = gather(rows)[-len(self.recent) :]
        places = (self.filled + torch.arange(len(rows), device=rows.device)) % len(self.recent)
        self.recent[places] = rows
        self.filled += len(rows)

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        there = min(int(self.filled), len(self.recent))
        return self.recent[torch.randint(there, (count,), generator=generator).to(self.recent.device)]


def _rows(latents: Tensor) -> Tensor:
    return rearrange(latents, "b d h w -> (b h w) d")
