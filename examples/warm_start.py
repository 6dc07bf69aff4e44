"""Models that grow: more codes and more kinds of condition, from the weights of an earlier checkpoint.

A code that is new starts where the earlier tokenizer is worst, with the weights that the earlier generator had for the
nearest of its codes; a kind that is new starts as if it were never given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vqgan_transformer import VQGAN, CondGPT, CondGPTConfig

__all__ = ["grown_generator", "grown_tokenizer", "mean_of_weights"]

CODEBOOK = "quantizer.codebook.weight"


@torch.no_grad()
def grown_tokenizer(vqgan: VQGAN, codes: int, pictures: Sequence[Tensor]) -> VQGAN:
    """The same tokenizer with more codes: latents of pictures (1, 3, H, W), the likelier the farther from their code."""
    if codes == vqgan.codebook_size:
        return vqgan
    latents = torch.cat([vqgan.quantizer.comparable(vqgan.encode_to_latents(x))[0].flatten(1).T for x in pictures])
    state = dict(vqgan.state_dict())
    known = F.normalize(state[CODEBOOK], dim=1)
    distances = 1 - (latents @ known.T).amax(1)
    new = torch.multinomial(distances, codes - len(known), generator=torch.Generator().manual_seed(0))
    state[CODEBOOK] = torch.cat([state[CODEBOOK], latents[new]])
    grown = VQGAN(replace(vqgan.config, codebook_size=codes))
    grown.load_state_dict(state)
    return grown.eval()


@torch.no_grad()
def grown_generator(gpt: CondGPT, vqgan: VQGAN, config: CondGPTConfig) -> CondGPT:
    """An aligned generator of a config, with all that an earlier one knows.

    Args:
        gpt: the earlier one.
        vqgan: the tokenizer now, whose first codes are those that the earlier generator knows.
        config: of the new one; the same widths, perhaps more codes and kinds.
    """
    grown, known = CondGPT(config), gpt.state_dict()
    codes, count = F.normalize(vqgan.quantizer.codes, dim=1), gpt.config.vocab_size
    nearest = torch.cat((torch.arange(count), (codes[count:] @ codes[:count].T).argmax(1)))
    state = grown.state_dict()
    for name, weight in state.items():
        if name not in known:
            # a map that is unknown adds nothing, as before
            state[name] = torch.zeros_like(weight) if ".readers." in name else weight
        elif known[name].shape == weight.shape:
            state[name] = known[name]
        elif ".readers." in name and ".conv." in name:
            # waves of coordinates stand between the numbers and what is unknown; at first they add nothing
            numbers, unknown = known[name].split([known[name].shape[1] - 1, 1], dim=1)
            waves = weight.new_zeros(len(weight), weight.shape[1] - known[name].shape[1], *weight.shape[2:])
            state[name] = torch.cat([numbers, waves, unknown], dim=1)
        elif len(weight) == vqgan.codebook_size:
            state[name] = known[name][nearest]
        else:  # known tokens, behind the row of unknown ones
            state[name] = torch.cat([known[name][:1], known[name][1:][nearest]])
    grown.load_state_dict(state)
    return grown


@torch.no_grad()
def mean_of_weights(first: CondGPT, second: CondGPT, share: float) -> CondGPT:
    """A generator whose weights are those of two of one training, the second's counting by so large a share."""
    mean, others = CondGPT(first.config), second.state_dict()
    mean.load_state_dict({name: torch.lerp(weight, others[name], share) for name, weight in first.state_dict().items()})
    return mean.eval()
