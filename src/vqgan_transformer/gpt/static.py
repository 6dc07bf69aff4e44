"""Reading tokens in buffers and shapes that stay the same, as CUDA graphs and ``torch.compile`` need them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import GPTCache
from .model import CondGPT
from .positions import Rotation

__all__ = ["StaticGPT"]

Step = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]

SHORT = 16
"""Steps of up to so many tokens are compiled; longer ones are bound by matrix products, which compiling cannot speed up."""


class StaticGPT:
    """A prefix GPT whose ``extend`` runs in a few fixed shapes, so that its kernels are compiled or captured once.

    It stands for the GPT wherever that is read: ``sampler(StaticGPT(gpt), condition)`` or ``pipe.gpt =
    StaticGPT(pipe.gpt)``. Tokens are the same up to near ties. On CUDA each shape is captured as a graph, so a step is
    one launch instead of hundreds; elsewhere it gains by compiling only. Rows are padded to a power of two, tokens to
    16 or the next multiple of 8.

    Args:
        gpt: the model; its condition is tokens in front.
        compile: let ``torch.compile`` fuse short steps; each shape takes some tens of seconds the first time.

    Raises:
        ValueError: for a model with a dictionary of conditions, or one whose norms are modulated.
    """

    def __init__(self, gpt: CondGPT, *, compile: bool = True):
        config = gpt.config
        if config.conditioning != "prefix" or config.modulation != "none":
            raise ValueError("StaticGPT is for models whose only condition is tokens in front: use the GPT as it is.")
        self.gpt = gpt
        self.step: Step = torch.compile(self._step, dynamic=False) if compile else self._step
        self.buffers: dict[int, _Buffers] = {}  # by the number of rows
        self.graphs: dict[tuple[int, int], Callable[[Tensor, Tensor, Tensor], Tensor]] = {}  # by rows and tokens

    def __getattr__(self, name: str) -> Any:
        """Everything but :meth:`extend` is the GPT's."""
        return getattr(self.gpt, name)

    def __call__(self, *arguments: Any, **options: Any) -> Tensor:
        """Scores tokens; see :class:`CondGPT`."""
        logits: Tensor = self.gpt(*arguments, **options)
        return logits

    @torch.no_grad()
    def extend(self, cache: GPTCache | Sequence[GPTCache], tokens: Tensor) -> Tensor:
        """Reads further image tokens and scores the next one; see :meth:`CondGPT.extend`."""
        caches = [cache] if isinstance(cache, GPTCache) else list(cache)
        rows, steps = tokens.shape
        fits = all(cache.length + steps <= cache.capacity for cache in caches)
        if not steps or not fits or (steps > SHORT and not tokens.is_cuda):
            return self.gpt.extend(caches, tokens)  # also for its error
        padded = 1 << (rows - 1).bit_length()
        length = 1 if steps == 1 else SHORT if steps <= SHORT else -(-steps // 8) * 8
        buffers = self._buffers(padded, caches[0])
        buffers.load(caches)
        past = torch.tensor([cache.length for cache in caches for _ in range(cache.rows)])
        hidden = self._run(
            buffers,
            F.pad(tokens, (0, length - steps, 0, padded - rows)),
            F.pad(past, (0, padded - rows)).to(tokens.device),
            torch.full((padded,), steps - 1, device=tokens.device),
        )[:rows]
        buffers.store(caches, steps)
        for cache, last in zip(caches, torch.split(hidden, [cache.rows for cache in caches]), strict=True):
            cache.length, cache.last_hidden = cache.length + steps, last
        scored: Tensor = self.gpt.head(hidden)
        return scored

    def _step(self, keys: Tensor, values: Tensor, tokens: Tensor, past: Tensor, last: Tensor) -> Tensor:
        """What is compiled and captured: reads (N, T) tokens behind ``past`` (N,) others -> (N, n_embd) at ``last``."""
        positions = past[:, None] + torch.arange(tokens.shape[1], device=tokens.device)
        # padding goes to the place behind the last
        positions = positions.clamp(max=keys.shape[3] - 1)
        visible = torch.arange(keys.shape[3], device=tokens.device) <= positions[:, :, None]  # (N, T, capacity + 1)
        placed = positions.clamp(max=keys.shape[3] - 2)
        x, rotation = self.gpt.token_embedding(tokens), None
        if self.positions.added is not None:
            x = x + self.positions.added[placed]
        if self.positions.rotation is not None:  # one for all heads: (N, 1, T, head_width / 2)
            rotation = Rotation(*(table[placed][:, None] for table in self.positions.rotation))
        for index, block in enumerate(self.gpt.blocks):
            memory = _StaticMemory(keys[index], values[index], positions, visible[:, None])
            x = block(x, rotation=rotation, memory=memory)
        return self.gpt.before_head(x[torch.arange(len(x), device=x.device), last])

    def _buffers(self, rows: int, like: GPTCache) -> _Buffers:
        weight, config = self.gpt.head.weight, self.gpt.config
        self.positions = like.positions
        capacity = like.condition_length + config.window_length - 1
        known = self.buffers.get(rows)
        if known is None or (known.keys.device, known.keys.dtype, known.capacity) != (
            weight.device,
            weight.dtype,
            capacity,
        ):
            shape = (config.n_layer, rows, config.n_head, capacity + 1, config.head_width)
            # zeros, since what is masked must still be a number
            keys, values = (torch.zeros(shape, dtype=weight.dtype, device=weight.device) for _ in range(2))
            known = _Buffers(keys, values, [])
            self.buffers[rows] = known
            self.graphs = {key: graph for key, graph in self.graphs.items() if key[0] != rows}
        return known

    def _run(self, buffers: _Buffers, tokens: Tensor, past: Tensor, last: Tensor) -> Tensor:
        step = self.step if tokens.shape[1] <= SHORT else self._step
        if not tokens.is_cuda:
            return step(buffers.keys, buffers.values, tokens, past, last)
        key = tokens.shape[0], tokens.shape[1]
        if key not in self.graphs:
            self.graphs[key] = _captured(step, buffers, tokens, past, last)
        return self.graphs[key](tokens, past, last)


@dataclass
class _Buffers:
    """Keys and values of the windows that are being read; (n_layer, rows, n_head, capacity + 1, head_dim) each.

    ``holds`` are the caches whose contents are there; as long as the same windows go on, nothing is copied in.
    """

    keys: Tensor
    values: Tensor
    holds: list[tuple[GPTCache, int]]

    @property
    def capacity(self) -> int:
        return self.keys.shape[3] - 1

    def load(self, caches: Sequence[GPTCache]) -> None:
        if len(self.holds) == len(caches) and all(
            known is cache and length == cache.length for (known, length), cache in zip(self.holds, caches, strict=True)
        ):
            return
        row = 0
        for cache in caches:
            rows, filled = slice(row, row + cache.rows), slice(0, cache.length)
            self.keys[:, rows, :, filled] = cache.keys[:, :, :, filled]
            self.values[:, rows, :, filled] = cache.values[:, :, :, filled]
            row += cache.rows

    def store(self, caches: Sequence[GPTCache], steps: int) -> None:
        """Puts what is new into the caches, which so stay complete wherever their windows are read next."""
        row = 0
        for cache in caches:
            rows, new = slice(row, row + cache.rows), slice(cache.length, cache.length + steps)
            cache.keys[:, :, :, new] = self.keys[:, rows, :, new]
            cache.values[:, :, :, new] = self.values[:, rows, :, new]
            row += cache.rows
        self.holds = [(cache, cache.length + steps) for cache in caches]


class _StaticMemory:
    """One layer of the buffers: new keys and values go to their positions, and a mask says what is seen."""

    def __init__(self, keys: Tensor, values: Tensor, positions: Tensor, visible: Tensor):
        self.keys, self.values, self.positions, self.visible = keys, values, positions, visible

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        rows = torch.arange(len(key), device=key.device)[:, None]
        self.keys[rows, :, self.positions] = key.transpose(1, 2)
        self.values[rows, :, self.positions] = value.transpose(1, 2)
        return F.scaled_dot_product_attention(query, self.keys, self.values, attn_mask=self.visible)


def _captured(step: Step, buffers: _Buffers, tokens: Tensor, past: Tensor, last: Tensor) -> Callable[..., Tensor]:
    """A step as a CUDA graph over inputs of fixed addresses."""
    inputs = [tokens.clone(), past.clone(), last.clone()]
    new_stream: Any = torch.cuda.Stream  # its constructor has no types
    side = new_stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is compiled or chosen the first time must not be captured
        for _ in range(2):
            step(buffers.keys, buffers.values, *inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step(buffers.keys, buffers.values, *inputs)

    def replay(*values: Tensor) -> Tensor:
        for buffer, value in zip(inputs, values, strict=True):
            buffer.copy_(value)
        graph.replay()
        return result.clone()

    return replay
