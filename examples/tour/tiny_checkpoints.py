"""Small checkpoints for the tour: the built-in GPT learns to follow another kind of condition, in minutes.

    python examples/tour/tiny_checkpoints.py depth [--steps 80] [--folder outputs/tiny]

The scripts beside this one call it where the checkpoint is not there yet. The tokenizer is that of `builtin:scenes`, for
pictures and for maps alike; only the GPT learns. What it paints shows that a condition is followed, and no more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CondGPT,
    CoordinatesCondition,
    DepthCondition,
    ImageCondition,
    ImageSynthesisPipeline,
    KeypointsCondition,
    LayoutCondition,
    Unconditional,
)
from vqgan_transformer.conditions import Condition
from vqgan_transformer.images import from_pixels
from vqgan_transformer.scenes import BIOMES, LABELS, SEASONS, Scene, make_scene

FOLDER = Path("outputs/tiny")
STEPS, SCENES, SIZE, WINDOW = 80, 96, (256, 384), 16
NAMES = {identifier: name for name, identifier in LABELS.items()}


def boxes(scene: Scene) -> list[tuple[str, tuple[float, ...]]]:
    """A layout of a scene: a box around all that has the same label, unless that is tiny."""
    labels, found = np.asarray(scene.segmentation), []
    for label in np.unique(labels):
        rows, cols = np.nonzero(labels == label)
        if len(rows) > 0.003 * labels.size:
            box = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
            found.append((NAMES[int(label)], tuple(side / labels.shape[1 - k % 2] for k, side in enumerate(box))))
    return found


def by_night(scene: Scene) -> np.ndarray:
    """The same place by night."""
    return make_scene(scene.seed, scene.image.shape[:2], season=scene.season, time_of_day="night", people=PEOPLE).image


@dataclass(frozen=True)
class Kind:
    """A kind of condition, made with the built-in tokenizer of pictures, and what it is in a scene."""

    condition: Callable[[VQGAN], Condition]
    value: Callable[[Scene], Any]
    size: tuple[int, int] = SIZE
    options: Mapping[str, Any] = field(default_factory=dict)


PEOPLE = 2
KINDS = {
    "depth": Kind(lambda vqgan: DepthCondition(vqgan=gray(vqgan)), lambda scene: scene.depth),
    "keypoints": Kind(
        lambda vqgan: KeypointsCondition(vqgan=vqgan), lambda scene: scene.keypoints, SIZE, {"size": SIZE}
    ),
    "condition_image": Kind(lambda vqgan: ImageCondition(vqgan=vqgan), by_night),
    "class_label": Kind(
        lambda vqgan: ClassCondition([f"{season}, {biome}" for season in SEASONS for biome in BIOMES]),
        lambda scene: f"{scene.season}, {scene.biome}",
    ),
    # 31×31 cells for corners; the last token means "nothing"
    "layout": Kind(lambda vqgan: LayoutCondition(sorted(LABELS), vocab_size=1000, max_objects=16), boxes),
    "coordinates": Kind(lambda vqgan: CoordinatesCondition(codebook_size=256), lambda scene: None, (512, 512)),
    "unconditional": Kind(lambda vqgan: Unconditional(), lambda scene: None),
}


def tiny_pipeline(kind: str, folder: Path = FOLDER, steps: int = STEPS) -> ImageSynthesisPipeline:
    """The checkpoint of a kind, trained first where it is not there."""
    path = folder / kind
    if not (path / "model_index.json").exists():
        print(f"training a tiny checkpoint for {kind}: a few minutes")
        train(kind, steps).save_pretrained(path)
    return ImageSynthesisPipeline.from_pretrained(path)


def train(kind: str, steps: int, batch: int = 4, learning_rate: float = 1e-3) -> ImageSynthesisPipeline:
    """Next-token cross-entropy on windows of scenes, with the built-in GPT to start from."""
    torch.manual_seed(0)
    builtin = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    condition = KINDS[kind].condition(builtin.vqgan).eval()
    pictures, conditions, labels = encode_scenes(KINDS[kind], condition, builtin)
    gpt = start(builtin.gpt, condition, conditions, labels).train()
    optimizer = torch.optim.AdamW(gpt.parameter_groups(), lr=learning_rate, betas=(0.9, 0.95))
    rng = np.random.default_rng(0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1, (step + 1) / 20, 2 * (1 - step / steps))
        tokens, given = windows(pictures, conditions, rng, batch)
        loss = F.cross_entropy(gpt(tokens, given).flatten(0, -2), tokens.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(gpt.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 10 == 0:
            print(f"{kind}: {step + 1} of {steps} steps, {loss.item():.2f} nats per token", flush=True)
    return ImageSynthesisPipeline(builtin.vqgan, gpt.eval(), builtin.sampler, (condition,))


@torch.no_grad()
def encode_scenes(kind: Kind, condition: Condition, builtin: ImageSynthesisPipeline) -> tuple[Tensor, Tensor, Tensor]:
    """Scenes as tokens: pictures (N, h, w), conditions (N, h, w) or (N, C), and label maps (N, h, w)."""
    found: list[list[Tensor]] = [[], [], []]
    count = SCENES * SIZE[0] * SIZE[1] // (kind.size[0] * kind.size[1])
    for seed in range(count):
        scene = make_scene(seed, kind.size, time_of_day="day", people=PEOPLE)
        value = kind.value(scene)
        parsed = condition.default(kind.size) if value is None else condition.parse(value, **kind.options)
        assert parsed is not None
        segmentation = builtin.conditions[0]
        found[0].append(builtin.vqgan.encode(from_pixels(scene.image)))
        found[1].append(condition.encode(parsed))
        found[2].append(segmentation.encode(segmentation.parse(scene.segmentation)))
    pictures, conditions, labels = (torch.cat(grids) for grids in found)
    return pictures, conditions, labels


def start(gpt: CondGPT, condition: Condition, conditions: Tensor, labels: Tensor) -> CondGPT:
    """The built-in GPT with a table of its own for the condition.

    A token of a map begins as the mean of the label tokens that it falls together with, so that the GPT has an idea of
    it at once. A sequence begins as nothing, behind positions that the GPT knows as those just before the picture.
    """
    ids = condition.vocab_size
    table = torch.zeros(ids, gpt.config.n_embd)
    length = conditions[0].numel() if conditions.ndim == 2 else WINDOW**2
    if conditions.ndim == 3:
        known = gpt.token_embedding.weight.detach()[labels.flatten()]
        counts = torch.zeros(ids).index_add_(0, conditions.flatten(), torch.ones(conditions.numel()))
        # tokens that no scene has begin as the mean of all
        table.index_add_(0, conditions.flatten(), known).div_(counts.clamp(min=1)[:, None])
        table[counts == 0] = known.mean(0)
    size = length + WINDOW**2
    new = CondGPT(replace(gpt.config, block_size=size, condition_vocab_size=ids))
    state = {**gpt.state_dict(), "condition_embedding.weight": table + 0.01 * torch.randn_like(table)}
    state["position_embedding"] = gpt.position_embedding.detach()[:, -size:]
    new.load_state_dict(state)
    return new


def windows(pictures: Tensor, conditions: Tensor, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
    """Random windows of 16×16 tokens, and the condition of each; sequences are of the whole picture, so its middle."""
    tokens, given = [], []
    for _ in range(count):
        index, grid = rng.integers(len(pictures)), conditions.ndim == 3
        top, left = (rng.integers(side - WINDOW + 1) for side in pictures.shape[1:])
        crop = (index, slice(top, top + WINDOW), slice(left, left + WINDOW))
        tokens.append(pictures[crop])
        given.append(conditions[crop] if grid else conditions[index])
    return torch.stack(tokens), torch.stack(given)


def gray(vqgan: VQGAN) -> VQGAN:
    """The same tokenizer for pictures of one channel: the gray ones among its own."""
    new = VQGAN(replace(vqgan.config, in_channels=1, out_channels=1))
    state, squares = vqgan.state_dict(), vqgan.config.patch_size**2
    first, last = "encoder.conv_in.weight", "decoder.conv_out"
    state[first] = state[first].unflatten(1, (3, squares)).sum(1)
    for name in (f"{last}.weight", f"{last}.bias"):
        state[name] = state[name].unflatten(0, (3, squares)).mean(0)
    new.load_state_dict(state)
    return new.eval()


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="+", choices=KINDS)
    parser.add_argument("--steps", type=int, default=STEPS, help="of training")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        tiny_pipeline(kind, arguments.folder, arguments.steps)


if __name__ == "__main__":
    main()
