"""Measures `builtin:scenes` on scenes that nothing was trained on.

    python examples/evaluate_builtin.py FOLDER                  # the folder that train_builtin.py rendered scenes into

How much of the label map is in the pictures? A small segmenter learns to read labels from true scenes and then reads
them from generated ones; their accuracy relative to that on true pictures is the number. Further: the error of
reconstructions, how many codes are in use, and what the GPT makes of true tokens.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from builtin.data import CHANNEL_OF_LABEL, GROUPS, PERSON, Scenes, held_out
from builtin.loop import learning_rate, load_weights, train
from builtin.muon import MuonWithAdamW
from torch import Tensor, nn

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.images import from_pixels


class Reader(nn.Module):
    """A U-Net from pictures `(B, 3, H, W)` to the logits of label channels `(B, number of groups, H, W)`."""

    def __init__(self, widths: tuple[int, ...] = (32, 48, 64, 96, 128)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_double(narrow, wide) for narrow, wide in pairs)
        self.up = nn.ModuleList(_double(wide + narrow, narrow) for narrow, wide in reversed(pairs))
        self.head = nn.Conv2d(widths[0], 4 * len(GROUPS), 1)

    def forward(self, images: Tensor) -> Tensor:
        """Sides must divide by 32."""
        x = self.stem(F.pixel_unshuffle(images, 2))
        skips = []
        for layer in self.down:
            skips.append(x)
            x = layer(F.max_pool2d(x, 2))
        for layer in self.up:
            skip = skips.pop()
            x = layer(torch.cat((F.interpolate(x, size=skip.shape[-2:]), skip), dim=1))
        return F.pixel_shuffle(self.head(F.relu(x)), 2)


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def train_reader(folder: Path, minutes: float) -> Reader:
    """Learns to read label channels from crops of true scenes."""
    scenes, reader = Scenes(folder, seed=7), Reader().to(memory_format=torch.channels_last)
    optimizer = MuonWithAdamW(reader, ("stem", "head"), betas=(0.9, 0.99), weight_decay=1e-3)

    def step(progress: float) -> dict[str, float]:
        images, groups = scenes.crops(4, 256, people=0.2)
        logits = reader(images)
        loss = F.cross_entropy(logits, groups)
        loss.backward()
        optimizer.step(learning_rate(progress, 1.5e-3))
        return {"loss": float(loss.detach()), "accuracy": float((logits.argmax(dim=1) == groups).float().mean())}

    train("reader", folder, minutes, {"reader": reader, "optimizer": optimizer}, step)
    reader.load_state_dict(load_weights(folder / "reader.pt", "reader"))
    return reader.eval()


def read(reader: Reader, images: Tensor, groups: Tensor) -> dict[str, float]:
    """Pixel accuracy, and intersection over union of people, of what the reader reads."""
    read = torch.cat([reader(image[None]).argmax(dim=1) for image in images])
    person, truth = read == PERSON, groups == PERSON
    overlap = (person & truth).sum() / (person | truth).sum().clamp(min=1)
    return {"accuracy": float((read == groups).float().mean()), "person_iou": float(overlap)}


def evaluate_size(
    pipe: ImageSynthesisPipeline, reader: Reader, side: int, count: int, folder: Path
) -> dict[str, float]:
    """Reads true, reconstructed and generated pictures of one side."""
    images, groups = held_out(side, count)
    identifiers = torch.zeros(len(GROUPS), dtype=torch.long)
    for identifier, channel in CHANNEL_OF_LABEL.items():
        identifiers[channel] = identifier
    labels = identifiers[groups].numpy()
    tokens = torch.cat([pipe.vqgan.encode(image[None]) for image in images])
    rebuilt = torch.cat([pipe.vqgan.decode(grid[None]) for grid in tokens]).clamp(-1, 1)
    out = pipe(segmentation=list(labels), seed=0, progress=False)
    for index, picture in enumerate(out.images):
        picture.save(folder / f"generated_{side}_{index}.png")
    drawn = torch.cat([from_pixels(np.asarray(picture)) for picture in out.images])
    numbers = {"psnr": float(10 * torch.log10(4 / F.mse_loss(rebuilt, images))), "codes": len(tokens.unique())}
    results = {name: read(reader, x, groups) for name, x in (("true", images), ("rebuilt", rebuilt), ("drawn", drawn))}
    for name, values in results.items():
        numbers |= {f"{name}_{key}": value for key, value in values.items()}
    numbers["drawn_relative"] = results["drawn"]["accuracy"] / results["true"]["accuracy"]
    condition = pipe.conditions[0].encode(torch.from_numpy(labels))
    if side == 256:
        numbers["nats"] = float(F.cross_entropy(pipe.gpt(tokens, condition).flatten(0, -2), tokens.flatten()))
    return numbers


@torch.inference_mode()
def evaluate(source: str, folder: Path, reader: Reader) -> dict[str, dict[str, float]]:
    """All numbers of one pipeline."""
    pipe = ImageSynthesisPipeline.from_pretrained(source)
    return {f"{side}": evaluate_size(pipe, reader, side, count, folder) for side, count in ((256, 24), (1024, 2))}


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source", default="builtin:scenes")
    parser.add_argument("--minutes", type=float, default=4.0, help="of training for the segmenter")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    reader = train_reader(arguments.folder, arguments.minutes)
    numbers = evaluate(arguments.source, arguments.folder, reader)
    print(json.dumps({size: {k: round(v, 4) for k, v in row.items()} for size, row in numbers.items()}, indent=2))


if __name__ == "__main__":
    main()
