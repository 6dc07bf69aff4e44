"""Optimizers: Muon against torch's own and against its formula, and who gets which weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vqgan_transformer import VQGAN, CondGPT, CondGPTConfig, SegmentationCondition, VQGANConfig
from vqgan_transformer.training.conditioning import condition_inputs
from vqgan_transformer.training.gpt_training import TABLES
from vqgan_transformer.training.optimizers import Muon, make_optimizer, orthogonalised


def newton_schulz(matrix: torch.Tensor) -> torch.Tensor:
    """The iteration as Jordan et al. write it: x <- a x + (b A + c A²) x with A = x xᵀ."""
    x = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if matrix.shape[0] > matrix.shape[1] else x


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6)])
def test_matrices_are_orthogonalised_by_the_published_iteration(shape):
    matrix = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalised(matrix), newton_schulz(matrix), rtol=1e-9, atol=1e-9)
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.3 and values.max() < 1.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
def test_matrices_move_as_torchs_muon_moves_them():
    """Torch iterates in bfloat16, so that its updates agree to about a hundredth."""
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(12, 20)) for _ in range(2))
    settings = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95}
    torchs = torch.optim.Muon([theirs], **settings, nesterov=True, adjust_lr_fn="match_rms_adamw")
    optimizers = (Muon([ours], [], **settings), torchs)
    for _ in range(10):
        gradient = torch.randn(12, 20, generator=generator)
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    moved = (theirs - 1).detach()
    assert ((ours - theirs).norm() / moved.norm()).item() < 0.01


def test_convolutions_are_matrices_and_the_rest_is_adamws():
    torch.manual_seed(0)
    weight, bias = (nn.Parameter(torch.randn(size, dtype=torch.float64)) for size in ((4, 3, 3, 3), (4,)))
    twin = nn.Parameter(bias.detach().clone())
    start, gradient = weight.detach().clone(), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    optimizer = Muon([weight], [bias], lr=0.1, momentum=0.9, betas=(0.9, 0.99), weight_decay=0.5)
    adamw = torch.optim.AdamW([twin], lr=0.1, betas=(0.9, 0.99), weight_decay=0.0)
    weight.grad, bias.grad, twin.grad = gradient, torch.ones_like(bias), torch.ones_like(bias)
    optimizer.step()
    adamw.step()
    nesterov = gradient * 0.1 + 0.9 * 0.1 * gradient
    update = newton_schulz(nesterov.flatten(1)) * 0.2 * 27**0.5
    torch.testing.assert_close(weight, start * (1 - 0.1 * 0.5) - 0.1 * update.view_as(start), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(bias, twin)


def muons_share(model: nn.Module, outer: tuple[str, ...]) -> set[str]:
    optimizer = make_optimizer(model, "muon", betas=(0.9, 0.95), weight_decay=0.0, outer=outer)
    hidden = {id(p) for group in optimizer.param_groups if group["matrices"] for p in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in hidden}


def test_muon_leaves_tables_to_adamw():
    conditions = (SegmentationCondition(labels=("a", "b", "c")),)
    aligned = CondGPT(
        CondGPTConfig(
            vocab_size=16, window=(4, 4), n_layer=2, n_head=2, n_embd=16, conditioning="aligned", position="rope2d",
            attention="local", conditions=condition_inputs(conditions), downsample_factor=4, condition_width=8,
        )
    )  # fmt: skip
    taken = muons_share(aligned, TABLES)
    assert "blocks.0.mlp.0.weight" in taken
    assert not any("table" in name or "embedding" in name for name in taken)
    gumbel = VQGAN(
        VQGANConfig(
            channels=32, channel_multipliers=(1,), num_res_blocks=1, attention_levels=(), latent_channels=8, code_dim=8,
            codebook_size=16, quantizer="gumbel",
        )
    )  # fmt: skip
    assert not any("codebook" in name for name in muons_share(gumbel, ()))


def test_muon_refuses_sharded_parameters_by_name(tmp_path):
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        before = make_optimizer(model, "muon", betas=(0.9, 0.95), weight_decay=0.0)
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        with pytest.raises(ValueError, match=r"sharded over processes: 0\.weight, 0\.bias, 1\.weight and 1 more"):
            make_optimizer(model, "muon", betas=(0.9, 0.95), weight_decay=0.0)
        sharded = next(model.parameters())
        before.param_groups[0]["params"] = [sharded]  # what accelerate does to an optimizer that is there already
        model(torch.ones(1, 4)).sum().backward()
        with pytest.raises(ValueError, match="sharded over processes: of shape 4×4"):
            before.step()
    finally:
        distributed.destroy_process_group()
