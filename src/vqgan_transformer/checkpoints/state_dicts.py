"""The weights in a file, freed from what programs wrap around them, and whether they come with their running average.

A program saves its weights under "state_dict", "model", "params", …, from inside wrappers that put "module." or
"_orig_mod." in front of each name, and often a second time as a running average: in a dictionary of its own ("ema"), under
names of its own ("ema_model.…"), or, as Lightning's programs do, under "model_ema." and the names without their dots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import CheckpointError, UnsafeFileError, shortened
from ..storage.weights import StoredTensor
from .pickle_machine import StandIn

__all__ = ["StateDicts", "state_dicts"]

Tensors = dict[str, StoredTensor]

WRAPPERS = (
    "state_dict", "model_state_dict", "model", "module", "_orig_mod", "params", "net", "network", "generator", "netG", "G",
    "weights", "online_model", "_forward_module", "vqgan", "vqmodel", "vqvae", "vq_model", "autoencoder", "tokenizer",
)  # fmt: skip
"""What programs call the weights as they were trained, in the order in which they are looked for."""

AVERAGES = (
    "ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "model_state_dict_ema", "params_ema", "ema_params",
    "net_ema", "G_ema", "g_ema", "generator_ema", "ema_generator", "shadow", "shadow_params", "averaged", "average",
)  # fmt: skip
"""What they call the running average."""

OTHERS = ("optim", "sched", "scaler", "callback", "loops", "rng", "hyper_parameters", "args", "discriminator", "loss.")
"""Beginnings of the names of what a training file holds beside its networks."""

DEEPEST = 16
"""Wrappers within wrappers."""

MOST_ENTRIES = 500_000
"""Entries of dictionaries that are looked at."""


@dataclass(frozen=True)
class StateDicts:
    """The weights of a file by the names that its program gives them.

    Attributes:
        trained: as they were trained last; empty where the file has the average alone.
        averaged: their running average, with whatever is not averaged as it is; empty where there is none.
    """

    trained: Tensors
    averaged: Tensors

    @property
    def has_both(self) -> bool:
        """Whether there is a choice."""
        return bool(self.trained and self.averaged)


def state_dicts(content: Any, where: object) -> StateDicts:
    """The weights among what a file holds.

    Args:
        content: tensors by name, or dictionaries of them in each other, with other things among them.
        where: the file, for messages.

    Raises:
        CheckpointError: if there are no weights, or something among them is no ordinary tensor.
    """
    if isinstance(content, StandIn):
        raise CheckpointError(
            f"{where} holds no weights, but a whole object: {content.of}, which is code. In the program that it comes "
            "from, save its state_dict() instead: torch.save(model.state_dict(), path)."
        )
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{where} holds no weights at its top level, but a {type(content).__name__}.")
    containers = _Search(where).containers(content)
    if not containers.trained and not containers.averaged:
        raise CheckpointError(f"{where} holds no weights at its top level ({_listed(content)}).{_objects(content)}")
    if containers.has_both or not containers.trained:
        return StateDicts(*(_unwrapped(tensors) for tensors in (containers.trained, containers.averaged)))
    return _split(_unwrapped(containers.trained), where)


class _Search:
    """Looks for weights in dictionaries within each other, which may share their parts: what is looked at is counted."""

    def __init__(self, where: object):
        self.where = where
        self.entries = 0

    def look_at(self, content: Mapping[Any, Any], prefix: str = "") -> None:
        self.entries += (1 + len(content)) * (1 + len(prefix) // 64)  # long names count several times
        if self.entries > MOST_ENTRIES:
            raise UnsafeFileError(f"{self.where} has dictionaries with more than {MOST_ENTRIES} entries in each other.")

    def containers(self, content: Mapping[Any, Any], depth: int = 0) -> StateDicts:
        """What lies in dictionaries whose names say that it is the weights or their average, else all there is."""
        self.look_at(content)
        by_name: dict[str, StateDicts] = {}
        for name in (*WRAPPERS, *AVERAGES):
            inner = content.get(name)
            if isinstance(inner, Mapping) and depth < DEEPEST:
                held = self.containers(inner, depth + 1)
                if held.trained or held.averaged:
                    by_name[name] = held
        trained = next((by_name[name] for name in WRAPPERS if name in by_name), None)
        average = next((by_name[name] for name in AVERAGES if name in by_name), None)
        if trained is None and average is None:
            return StateDicts(self.flat(content), {})
        averaged = (average.averaged or average.trained) if average is not None else {}
        if trained is None:
            return StateDicts({}, averaged)
        return StateDicts(trained.trained, averaged or trained.averaged)

    def flat(self, content: Mapping[Any, Any]) -> Tensors:
        """All tensors in dictionaries within each other, the names joined by dots."""
        tensors: Tensors = {}
        waiting: list[tuple[str, Mapping[Any, Any], int]] = [("", content, 0)]
        while waiting:
            prefix, branch, depth = waiting.pop()
            self.look_at(branch, prefix)
            has_tensors = any(isinstance(value, StoredTensor) for value in branch.values())
            for key, value in branch.items():
                name = f"{prefix}{key}"
                if isinstance(value, StoredTensor):
                    tensors[name] = value
                elif isinstance(value, StandIn) and has_tensors and "." in str(key):
                    raise CheckpointError(f"{self.where}: {shortened(name)} is {value.of}, not an ordinary tensor.")
                elif isinstance(value, Mapping) and depth < DEEPEST and not name.lower().startswith(OTHERS):
                    waiting.append((f"{name}.", value, depth + 1))
        return tensors


def _split(tensors: Tensors, where: object) -> StateDicts:
    """Averages that lie among the weights, under names of their own."""
    beginning = next((f"{name}." for name in AVERAGES if any(each.startswith(f"{name}.") for each in tensors)), None)
    if beginning is None:
        return StateDicts(tensors, {})
    averages = {name.removeprefix(beginning): t for name, t in tensors.items() if name.startswith(beginning)}
    rest = _unwrapped({name: t for name, t in tensors.items() if not name.startswith(beginning)})
    if not any("." in name for name in averages):
        return StateDicts(rest, _with_dots(averages, rest, where))
    return StateDicts(rest, _unwrapped(averages))


def _with_dots(averages: Tensors, trained: Tensors, where: object) -> Tensors:
    """Averages by the names of the weights: those without their dots. Buffers are not averaged; they stay as they are."""
    renamed: Tensors = {}
    for name, tensor in trained.items():
        average = averages.get(name.replace(".", ""))
        if average is not None and average.shape == tensor.shape:
            renamed[name] = average
    lost = [name for name in trained if name not in renamed and name.startswith(("encoder.", "decoder."))]
    if renamed and lost:
        raise CheckpointError(
            f"{where} has averages of its weights, but none that fits {shortened(lost[0])}. Is the file complete? Pass "
            "weights='raw' for the weights themselves."
        )
    return trained | renamed if renamed else {}


def _unwrapped(tensors: Tensors) -> Tensors:
    """The tensors without wrappers' names in front, as far as all of them have these; counters of steps do not count."""
    for _ in range(DEEPEST):
        first = {
            name.split(".", 1)[0] for name, tensor in tensors.items() if "." in name or tensor.shape not in ((), (1,))
        }
        if len(first) != 1 or not first <= {*WRAPPERS, *AVERAGES}:
            return tensors
        beginning = f"{first.pop()}."
        tensors = {name.removeprefix(beginning): t for name, t in tensors.items() if name.startswith(beginning)}
    return tensors


def _listed(content: Mapping[Any, Any]) -> str:
    names = [shortened(str(name), 40) for name in list(content)[:10]]
    return ", ".join(names) + (f" and {len(content) - 10} more" if len(content) > 10 else "") or "it is empty"


def _objects(content: Mapping[Any, Any]) -> str:
    """A sentence about whole objects in place of weights."""
    wrapped = {name: content[name] for name in (*WRAPPERS, *AVERAGES) if isinstance(content.get(name), StandIn)}
    if not wrapped:
        return ""
    name, value = next(iter(wrapped.items()))
    return f" Its {name!r} is a whole object ({value.of}), which is code: save the state_dict() of it instead."
