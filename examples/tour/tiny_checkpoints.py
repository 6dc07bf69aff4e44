"""Small checkpoints for the tour: the built-in GPT learns to follow another kind of condition, in minutes.

    python examples/tour/tiny_checkpoints.py layout [--steps 80] [--folder outputs/tiny]

The scripts beside this one call it where the checkpoint is not there yet. The tokenizer is that of `builtin:scenes-paper`, for
pictures and for maps alike; only the GPT learns. What it paints shows that maps are followed, and no more;
for boxes 80 steps are too few.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vqgan_transformer import (
    VQGAN,
    CondGPT,
    CoordinatesCondition,
    GPTTraining,
    ImageCondition,
    ImageSynthesisPipeline,
    LayoutCondition,
    Unconditional,
    train_cond_gpt,
)
from vqgan_transformer.conditions import Condition
from vqgan_transformer.scenes import LABELS, Scene, make_scene
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.samples import Samples

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


PEOPLE = 2
KINDS = {
    "condition_image": Kind(lambda vqgan: ImageCondition(vqgan=vqgan), by_night),
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
        train(kind, path, steps)
    return ImageSynthesisPipeline.from_pretrained(path)


def train(kind: str, folder: Path, steps: int) -> None:
    """Fine-tunes the built-in GPT on windows of scenes."""
    builtin = ImageSynthesisPipeline.from_pretrained("builtin:scenes-paper")
    condition, size = KINDS[kind].condition(builtin.vqgan).eval(), KINDS[kind].size
    data = []
    for seed in range(SCENES * SIZE[0] * SIZE[1] // (size[0] * size[1])):
        scene = make_scene(seed, size, time_of_day="day", people=PEOPLE)
        data.append({"image": scene.image, "segmentation": scene.segmentation, kind: KINDS[kind].value(scene)})
    training = GPTTraining(
        max_steps=steps, batch_size=4, crop_size=WINDOW * builtin.vqgan.downsample_factor, scale_down=False,
        learning_rate=1e-3, schedule="cosine", warmup_steps=20, clip_gradients=1.0, token_variants=2,
        validation_share=0.0, log_every=10, picture_every=steps, checkpoint_every=steps,
    )  # fmt: skip
    gpt = start(builtin, condition, data, training)
    init = ImageSynthesisPipeline(builtin.vqgan, gpt, builtin.sampler, (condition,))
    train_cond_gpt(data, folder, init=init, training=training, resume=True)


@torch.no_grad()
def start(builtin: ImageSynthesisPipeline, condition: Condition, data: list[Any], training: GPTTraining) -> CondGPT:
    """The built-in GPT with a table of its own for the condition.

    A token of a map begins as the mean of the label tokens that it falls together with, so that the GPT has an idea of
    it at once. A sequence begins as nothing, behind positions that the GPT knows as those just before the picture.
    """
    gpt, labels = builtin.gpt, builtin.condition("segmentation")
    table, counts = torch.zeros(condition.vocab_size, gpt.config.n_embd), torch.zeros(condition.vocab_size, 1)
    if condition.spatial:
        samples = Samples(open_data(data, ("image", "segmentation", condition.name)), training, (condition, labels))
        for index in range(len(samples)):
            cut = samples[0, index]
            tokens = condition.encode(cut[condition.name][None]).flatten()
            known = gpt.token_embedding.weight[labels.encode(cut["segmentation"][None]).flatten()]
            table.index_add_(0, tokens, known)
            counts.index_add_(0, tokens, torch.ones(len(tokens), 1))
        # tokens that no scene has begin as the mean of all
        table = torch.where(counts > 0, table / counts.clamp(min=1), table.sum(0) / counts.sum())
    size = (fitting_config(builtin.vqgan, condition, training).block_size or 0) + 1
    new = CondGPT(replace(gpt.config, block_size=size, condition_vocab_size=condition.vocab_size))
    noise = 0.01 * torch.randn(table.shape, generator=torch.Generator().manual_seed(0))
    state = {**gpt.state_dict(), "condition_embedding.weight": table + noise}
    state["position_embedding"] = gpt.position_embedding[:, -size:]
    new.load_state_dict(state)
    return new


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
