"""What all tests share: one thread (small models, few cores) and small models of a fixed seed."""

from __future__ import annotations

import pytest
import torch

from vqgan_transformer import VQGAN, CondGPT, CondGPTConfig, VQGANConfig

torch.set_num_threads(1)


@pytest.fixture
def gpt() -> CondGPT:
    """A GPT of two layers over windows of 4×4 tokens, in float64, with logits that differ clearly."""
    torch.manual_seed(0)
    model = CondGPT(
        CondGPTConfig(vocab_size=24, block_size=32, n_layer=2, n_head=2, n_embd=16, window=(4, 4), null_token=23)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return model.double().eval()


@pytest.fixture
def vqgan() -> VQGAN:
    """A VQGAN with f = 4 and 24 codes, in float64."""
    torch.manual_seed(1)
    config = VQGANConfig(
        channels=32, channel_multipliers=(1, 1, 2), num_res_blocks=1, attention_levels=(2,), latent_channels=16,
        codebook_size=24, code_dim=8,
    )  # fmt: skip
    return VQGAN(config).double().eval()
