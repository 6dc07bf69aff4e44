"""The GPT: trained on token grids that are computed once, with an input and output table that knows the codes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.func import functional_call

from vqgan_transformer.gpt import CondGPT, CondGPTConfig

from .data import COUNTS, SHARES, SceneFile, as_images, one_hot
from .loop import learning_rate, load_weights, train
from .muon import MuonWithAdamW
from .tokenizers import load_tokenizer

WINDOW = 16
PLACES = WINDOW * WINDOW
GENERATOR = CondGPTConfig(vocab_size=1024, block_size=512, n_layer=6, n_head=6, n_embd=192, window=(WINDOW, WINDOW))
VARIANTS = {256: 1, 512: 1, 1024: 2}  # how often each scene is encoded, mirrored and shifted against the token grid


def write_tokens(scenes: Path, folder: Path) -> None:
    """Encodes every scene in a few variants: `tokens_<side>.npz` with grids `(N, h, w)` of picture and label tokens."""
    pictures, labels = load_tokenizer(folder, "pictures"), load_tokenizer(folder, "labels")
    rng = np.random.default_rng(1)
    for side in COUNTS:
        path = folder / f"tokens_{side}.npz"
        if path.exists():
            continue
        file, found = SceneFile.open(scenes, side), {"pictures": [], "labels": []}
        cut = side if side == 16 * WINDOW else side - 16
        for variant in range(VARIANTS[side]):
            for index in range(len(file.done)):
                top, left = rng.integers(0, side - cut + 1, size=2)
                rows, columns = slice(top, top + cut), slice(left, left + cut)
                step = -1 if (variant + index) % 2 else 1
                picture = as_images(file.pictures[index, rows, columns][None, :, ::step])
                groups = torch.from_numpy(file.groups[index, rows, columns][None, :, ::step].copy()).long()
                with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
                    found["pictures"].append(pictures.encode(picture)[0].short().numpy())
                    found["labels"].append(labels.encode(one_hot(groups))[0].short().numpy())
            print(f"{side}: variant {variant + 1} of {VARIANTS[side]}", flush=True)
        np.savez(path, **{name: np.stack(grids) for name, grids in found.items()})


class Windows:
    """Random windows of 16x16 tokens from the grids of `write_tokens`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.grids = {}
        for side in COUNTS:
            with np.load(folder / f"tokens_{side}.npz") as file:
                self.grids[side] = {name: file[name] for name in ("pictures", "labels")}
        self.rng = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """int64 `(count, 16, 16)` twice: picture tokens, label tokens."""
        found: dict[str, list[np.ndarray]] = {"pictures": [], "labels": []}
        for _ in range(count):
            grids = self.grids[int(self.rng.choice(list(SHARES), p=list(SHARES.values())))]
            number, height, width = grids["pictures"].shape
            index = self.rng.integers(number)
            top, left = self.rng.integers(0, height - WINDOW + 1), self.rng.integers(0, width - WINDOW + 1)
            for name, windows in found.items():
                windows.append(grids[name][index, top : top + WINDOW, left : left + WINDOW])
        pictures, labels = (torch.from_numpy(np.stack(windows)).long() for windows in found.values())
        return pictures, labels


class GeneratorTrainer(nn.Module):
    """A CondGPT whose tables are sums while it learns; `fold` adds them up into an ordinary one.

    * Embedding = free table + linear map of the codes' vectors, head = likewise: what two similar codes have in common
      is learned once. A row of the table stands for a picture code and for a label code, so it sees both vectors.
    * Position = row + column + kind of token + free table, rows and columns starting as waves. A place of the label
      map and the position that predicts the same place of the picture start with the same vector, and the first
      block's heads start by looking for it: what the paper's form must find out first.
    """

    picture_codes: Tensor
    codes: Tensor

    def __init__(self, gpt: CondGPT, picture_codes: Tensor, label_codes: Tensor) -> None:
        super().__init__()
        width = gpt.config.n_embd
        self.gpt = gpt
        self.register_buffer("picture_codes", picture_codes, persistent=False)
        self.register_buffer("codes", torch.cat((picture_codes, label_codes), dim=1), persistent=False)
        self.embedding_map = nn.Linear(self.codes.shape[1], width, bias=False)
        self.head_map = nn.Linear(picture_codes.shape[1], width, bias=False)
        nn.init.normal_(self.embedding_map.weight, std=0.1)
        nn.init.normal_(self.head_map.weight, std=0.1)
        self.rows, self.columns = nn.Parameter(_waves(width, 0)), nn.Parameter(_waves(width, 1))
        self.kinds = nn.Parameter(0.05 * torch.randn(2, width))
        self._look_for_the_same_place()

    def tables(self) -> dict[str, Tensor]:
        """The ordinary tables of the GPT."""
        gpt = self.gpt
        places = rearrange(self.rows[:, None] + self.columns, "r c d -> (r c) d")
        # Position 256 + j reads token j and predicts token j + 1; the last label token predicts the first.
        positions = torch.cat((places + self.kinds[0], places[1:] + self.kinds[1], self.kinds[1:]))
        return {
            "token_embedding.weight": gpt.token_embedding.weight + self.embedding_map(self.codes),
            "head.weight": gpt.head.weight + self.head_map(self.picture_codes),
            "position_embedding": gpt.position_embedding + positions[None, : gpt.config.block_size],
        }

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """As CondGPT's."""
        return functional_call(self.gpt, self.tables(), (tokens, condition))

    @torch.no_grad()
    def fold(self) -> CondGPT:
        """The same function as an ordinary CondGPT."""
        gpt = CondGPT(self.gpt.config)
        gpt.load_state_dict(self.gpt.state_dict() | self.tables())
        return gpt.eval()

    @torch.no_grad()
    def _look_for_the_same_place(self, strength: float = 4.0) -> None:
        places = rearrange(self.rows[:, None] + self.columns, "r c d -> (r c) d")
        axes = torch.linalg.svd(places - places.mean(dim=0), full_matrices=False).Vh[
            :30
        ]  # (30, D): what tells places apart
        first, width = self.gpt.blocks[0].attention, self.gpt.config.n_embd
        size = width // self.gpt.config.n_head
        for head in range(self.gpt.config.n_head):
            mix = torch.linalg.qr(torch.randn(30, size)).Q.T if size <= 30 else torch.linalg.qr(torch.randn(size, 30)).Q
            aligned = mix @ axes * math.sqrt(strength * math.sqrt(size) / (0.3 * width))
            for part in range(2):  # query and key alike
                first.qkv.weight[part * width + head * size : part * width + (head + 1) * size] = aligned


def _waves(width: int, axis: int) -> Tensor:
    # (16, width): the 16 rows (or columns) as sines and cosines, alike when near and nearly orthogonal when far.
    frequencies = torch.logspace(math.log10(0.15), math.log10(math.pi), width // 4)
    phases = torch.arange(WINDOW)[:, None] * frequencies
    waves = torch.cat((phases.sin(), phases.cos()), dim=1)
    halves = [waves, torch.zeros_like(waves)]
    return 0.15 * torch.cat(halves if axis == 0 else halves[::-1], dim=1)


def attention_in_bands(query: Tensor, key: Tensor, value: Tensor, *, is_causal: bool, **_: object) -> Tensor:
    """Causal attention as plain products of `(B, h, T, d)`.

    A CPU learns 1.4 times faster with it than with PyTorch's kernel. A band of queries leaves out the keys that none of
    it may see.
    """
    batch, _, length, size = query.shape
    if not is_causal:
        raise ValueError("attention_in_bands is causal.")
    query, key, value = (x.flatten(0, 1) for x in (query, key, value))
    bands, edges = [], (0, PLACES, 3 * PLACES // 2, length)
    for start, stop in pairwise(edges):
        hidden = query.new_full((stop - start, stop), -math.inf).triu(start + 1)
        scores = torch.baddbmm(hidden, query[:, start:stop], key[:, :stop].mT, alpha=size**-0.5)
        bands.append(scores.softmax(dim=-1) @ value[:, :stop])
    return torch.cat(bands, dim=1).unflatten(0, (batch, -1))


def train_generator(folder: Path, minutes: float, seed: int, batch: int = 8) -> None:
    """Next-token cross-entropy on picture tokens, given label tokens."""
    windows = Windows(folder, seed)
    trainer = load_trainer(folder, fresh=True)
    outer = ("token_embedding", "position_embedding", "head", "map", "rows", "columns", "kinds")
    optimizer = MuonWithAdamW(trainer, outer, betas=(0.9, 0.95), weight_decay=0.01)

    def step(progress: float) -> dict[str, float]:
        tokens, condition = windows.draw(batch)
        fast = mock.patch.object(F, "scaled_dot_product_attention", attention_in_bands)
        with fast, torch.autocast("cpu", dtype=torch.bfloat16):
            logits = trainer(tokens, condition)
        loss = F.cross_entropy(logits.float().flatten(0, -2), tokens.flatten())
        loss.backward()
        norm = nn.utils.clip_grad_norm_(trainer.parameters(), 1.0)
        optimizer.step(learning_rate(progress, 1.5e-3))
        return {"nats": float(loss.detach()), "gradient": float(norm)}

    train("generator", folder, minutes, {"trainer": trainer, "optimizer": optimizer}, step)


def load_trainer(folder: Path, fresh: bool = False) -> GeneratorTrainer:
    """The generator in training form, with the codes of the two tokenizers; unless `fresh`, with its weights."""
    codes = [load_tokenizer(folder, name).quantizer.codes.detach().clone() for name in ("pictures", "labels")]
    trainer = GeneratorTrainer(CondGPT(GENERATOR), *codes)
    if not fresh:
        trainer.load_state_dict(load_weights(folder / "generator.pt", "trainer"))
    return trainer
