"""The window is enough where the condition is spatial, not where data are aligned, unless coordinates are given (section 4.3).

    python benchmarks/paper/windows.py [--minutes 20] [--output outputs/paper]

Scenes are aligned: sky above, ground below. Five GPTs are trained from nothing on their tokens, each for the same CPU time: on
whole grids of 16×16 and on windows of 8×8 cut from them; with no condition, the coordinates of each place, or its label. The
window is then slid over whole held-out grids. What it costs is the difference to the GPT of the whole grid, by the distance of
a place from the border. Prints likelihoods, saves pictures (rows: the five; columns: samples) and a plot.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from results import Kept, plot, print_table
from scene_tokens import CODES, LABEL_COUNT, scene_tokens
from torch import Tensor, nn

from vqgan_transformer import CondGPT, CondGPTConfig, ImageSynthesisPipeline, SlidingWindowSampler
from vqgan_transformer.contact_sheet import contact_sheet
from vqgan_transformer.images import to_pil
from vqgan_transformer.training.gpt_training import TABLES
from vqgan_transformer.training.optimizers import make_optimizer, set_learning_rate

GRID, BATCH, RATE = 16, 8, 2e-3
MODELS = [  # name, window, condition
    ("whole grid, no condition", 16, "none"),
    ("window, no condition", 8, "none"),
    ("window, coordinates", 8, "coordinates"),
    ("whole grid, labels", 16, "labels"),
    ("window, labels", 8, "labels"),
]  # fmt: skip
VOCABULARY = {"none": 1, "coordinates": GRID * GRID, "labels": LABEL_COUNT}
REGIONS = [("border", 0, 1), ("2, 3", 2, 3), ("4, 5", 4, 5), ("centre", 6, 7)]


def conditions(kind: str, labels: Tensor) -> Tensor:
    """What a GPT reads of whole grids: (B, 16, 16), or a start token (B, 1)."""
    if kind == "none":
        return torch.zeros(len(labels), 1, dtype=torch.int64)
    places = torch.arange(GRID * GRID).view(1, GRID, GRID).expand(len(labels), -1, -1)
    return labels if kind == "labels" else places


def train(window: int, kind: str, data: tuple[Tensor, Tensor], seconds: float) -> CondGPT:
    """A GPT after so many CPU seconds on crops of the grids."""
    torch.manual_seed(0)
    length = window * window + (1 if kind == "none" else window * window)
    gpt = CondGPT(
        CondGPTConfig(
            vocab_size=CODES, block_size=length, n_layer=4, n_head=4, n_embd=128, window=(window, window),
            residual_dropout=0.1, condition_vocab_size=VOCABULARY[kind],
        )
    )  # fmt: skip
    optimizer = make_optimizer(gpt, "muon", betas=(0.9, 0.95), weight_decay=0.01, outer=TABLES)
    read, batch, spent, step = conditions(kind, data[1]), BATCH * (GRID // window) ** 2, 0.0, 0
    while spent < seconds:
        begun = time.process_time()
        # a linear start, then a cosine over the time there is
        share = 0.05 + 0.95 * (1 + math.cos(math.pi * spent / seconds)) / 2
        set_learning_rate(optimizer, RATE * min(1.0, (step + 1) / 20) * share)
        rows = torch.randint(len(read), (batch,))
        corners = torch.randint(GRID - window + 1, (2, batch))
        tokens = _cut(data[0][rows], corners, window)
        condition = read[rows] if kind == "none" else _cut(read[rows], corners, window).flatten(1)
        logits = gpt.train()(tokens, condition)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(gpt.parameters(), 1.0)
        optimizer.step()
        step += 1
        spent += time.process_time() - begun
    return gpt.eval()


def _cut(grids: Tensor, corners: Tensor, side: int) -> Tensor:
    rows, columns = (corner[:, None] + torch.arange(side) for corner in corners)
    return grids[torch.arange(len(grids))[:, None, None], rows[:, :, None], columns[:, None]]


def measure(
    name: str,
    window: int,
    kind: str,
    data: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    seconds: float,
    output: Path,
) -> dict[str, Any]:
    """Nats per token by region, over whole grids; also paints samples."""
    gpt, sampler = train(window, kind, data, seconds), SlidingWindowSampler(top_k=100)
    read = conditions(kind, held_out[1])
    scores = [
        -sampler.token_log_likelihood(gpt, condition, tokens)
        for condition, tokens in zip(read.split(8), held_out[0].split(8), strict=True)
    ]
    nats = torch.cat(scores).mean(0)  # 16 16
    places = torch.arange(GRID)
    from_side = torch.minimum(places, GRID - 1 - places)
    distance = torch.minimum(from_side[:, None], from_side)
    regions = {title: float(nats[(distance >= low) & (distance <= high)].mean()) for title, low, high in REGIONS}
    grids = sampler(gpt, read[:6], None if kind != "none" else (GRID, GRID), seed=0, codebook_size=CODES)
    vqgan = ImageSynthesisPipeline.from_pretrained("builtin:scenes").vqgan
    with torch.no_grad():
        pictures = to_pil(vqgan.decode(grids))
    contact_sheet([pictures]).save(output / f"windows_{name.replace(', ', '_').replace(' ', '_')}.png")
    return {"regions": regions, "nats": float(nats.mean()), "by_row": nats.mean(1).tolist()}


def main(minutes: float, output: Path, scenes: int) -> None:
    data, held_out = scene_tokens(scenes, 0, output), scene_tokens(max(16, scenes // 25), 10_000_000, output)
    seconds = 60 * minutes / len(MODELS)
    kept = Kept(output / "windows.json", {"seconds": seconds, "scenes": scenes})
    found = {
        name: kept(name, lambda n=name, w=window, k=kind: measure(n, w, k, data, held_out, seconds, output))
        for name, window, kind in MODELS
    }
    print(
        f"\nNats per token of whole held-out grids, by the distance from the border ({seconds:.0f} CPU seconds each)\n"
    )
    titles = [title for title, *_ in REGIONS]
    print_table(("GPT", *titles, "all"), [(n, *(r["regions"][t] for t in titles), r["nats"]) for n, r in found.items()])
    costs = {
        "no condition": found["window, no condition"]["nats"] - found["whole grid, no condition"]["nats"],
        "coordinates": found["window, coordinates"]["nats"] - found["whole grid, no condition"]["nats"],
        "labels": found["window, labels"]["nats"] - found["whole grid, labels"]["nats"],
    }
    print("\nWhat the window costs against the whole grid, nats per token:\n")
    print_table(("condition", "cost"), list(costs.items()))
    print(
        "\nThe paper shows this by pictures, without numbers: windows paint S-FLCKR landscapes from label maps at any size, and "
        "faces once coordinates are given.\nMay be concluded: what a window of a quarter of the grid costs each kind of condition "
        "at equal time. May not: what it costs models that have converged; a whole grid has a longer sequence and sees fewer "
        "samples in the same time, which is why a cost may be negative."
    )
    plot(
        output / "windows.png",
        {name: list(enumerate(record["by_row"])) for name, record in found.items()},
        "row of the grid, from the top",
        "nats per token",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="of CPU time for all five trainings")
    parser.add_argument("--scenes", type=int, default=2000, help="that are trained on")
    parser.add_argument("--output", type=Path, default=Path("outputs/paper"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    main(given.minutes, given.output, given.scenes)
