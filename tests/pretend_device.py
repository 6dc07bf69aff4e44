"""A device that only pretends: tensors that compute on the CPU, say that they lie on ``pretend:0``, and refuse to mix.

Within :func:`pretend_device`, ``model.to("pretend")`` works as on a GPU: what forgets to move a tensor fails, and what
moves one is counted. It stands on two private parts of torch, so that tests with it are skipped where these are missing
(:data:`MISSING`). What a GPU computes differently, and how fast, it cannot tell.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

try:
    from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

    torch._C._set_only_lift_cpu_tensors(torch._C._only_lift_cpu_tensors())
    MISSING = ""
except (ImportError, AttributeError) as error:  # before torch 2.9, or a torch that took these parts away
    MISSING, _DummyBackendModule = f"torch {torch.__version__} cannot pretend a device: {error}", object

NAME = "pretend"
aten = torch.ops.aten

COPIES = {aten._to_copy.default, aten.copy_.default}
# operands that a GPU takes from the CPU's memory, too
TAKES_CPU_INDICES = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
# results whose value or size the CPU has to know before it can go on
WAITS = {
    aten._local_scalar_dense.default, aten.is_nonzero.default, aten.equal.default, aten.nonzero.default,
    aten.masked_select.default, aten._unique2.default, aten.unique_consecutive.default, aten.unique_dim.default,
}  # fmt: skip


@dataclass
class Traffic:
    """What went between the CPU and the device: how often, by the line of the package that asked for it.

    Attributes:
        uploads: tensors brought to the device.
        waits: places where a GPU would have to finish all work before the CPU can go on.
    """

    uploads: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Counts from here on."""
        self.uploads.clear()
        self.waits.clear()


class OnDevice(Tensor):
    """A tensor of the CPU that says it lies on the device."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnDevice:
        shell = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip
        shell.inner = inner
        return shell

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnDevice({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _execute(func, args, kwargs or {}, Traffic())


class _Watched(TorchDispatchMode):
    """Sends every operation through :func:`_execute`."""

    def __init__(self, traffic: Traffic):
        super().__init__()
        self.traffic = traffic

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _execute(func, args, kwargs or {}, self.traffic)


class _Backend(_DummyBackendModule):  # type: ignore[misc, valid-type]
    """What torch asks a device for; random numbers are the CPU's."""

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)

    def get_rng_state_all(self) -> list[Tensor]:
        return [torch.get_rng_state()]

    def set_rng_state_all(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])

    def manual_seed(self, seed: int) -> None:
        """The CPU has it already."""

    def manual_seed_all(self, seed: int) -> None:
        """Likewise."""

    def synchronize(self, device: Any = None) -> None:
        """There is nothing to wait for."""

    def empty_cache(self) -> None:
        """There is none."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


@contextmanager
def pretend_device() -> Iterator[Traffic]:
    """Within it there is a device ``"pretend"``; gives what goes to and from it."""
    _register()
    traffic = Traffic()
    with ExitStack() as restored:
        for get, set_ in (
            # parameters become tensors of another class when they are moved
            (
                torch.__future__.get_swap_module_params_on_conversion,
                torch.__future__.set_swap_module_params_on_conversion,
            ),
            # torch.tensor(…, device="pretend") is made on the CPU, and then moved
            (torch._C._only_lift_cpu_tensors, torch._C._set_only_lift_cpu_tensors),
        ):
            restored.callback(set_, get())
            set_(True)
        restored.enter_context(_Watched(traffic))
        yield traffic


def _register(done: list[bool] = []) -> None:  # noqa: B006 - once a process
    if not done:
        _setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
        done.append(True)


def _execute(func: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], traffic: Traffic) -> Any:
    """One operation, computed on the CPU; its result lies where its operands do, or where it is asked for."""
    operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [operand for operand in operands if isinstance(operand, OnDevice)]
    here = [operand for operand in operands if not isinstance(operand, OnDevice)]
    asked = kwargs.get("device")
    to_device = bool(there) if asked is None else torch.device(asked).type == NAME
    if func is aten.copy_.default:
        to_device = isinstance(args[0], OnDevice)
    elif func not in COPIES:
        # numbers without a dimension go along with either
        strangers = [t for t in here if t.ndim and not (func in TAKES_CPU_INDICES and t is not args[0])]
        if there and strangers:
            raise RuntimeError(
                f"expected all tensors on one device, but {func} got {NAME}:0 and cpu, {tuple(strangers[0].shape)}"
            )
        if there and func in WAITS:
            traffic.waits[_line()] += 1
    if func in COPIES and there and not to_device:
        traffic.waits[_line()] += 1
    if func in COPIES and to_device and here and here[-1].numel():
        traffic.uploads[_line()] += 1
    plain = dict(tree_map(_inner, dict(kwargs)))
    if asked is not None and torch.device(asked).type == NAME:
        plain |= {"device": torch.device("cpu")} | ({"pin_memory": False} if "pin_memory" in plain else {})
    with torch._C._DisableTorchDispatch():
        result = func(*tree_map(_inner, args), **plain)
    if not to_device:
        return result
    shells = {id(operand.inner): operand for operand in there}  # what is changed in place stays the same tensor

    def shell(leaf: Any) -> Any:
        return shells[id(leaf)] if id(leaf) in shells else OnDevice(leaf) if isinstance(leaf, Tensor) else leaf

    return tree_map(shell, result)


def _inner(leaf: Any) -> Any:
    return leaf.inner if isinstance(leaf, OnDevice) else leaf


def _line() -> str:
    """The line of the package that is being executed, e.g. ``sampler/draw.py:77``."""
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if "vqgan_transformer" in path.parts[:-1]:
            return f"{path.parent.name}/{path.name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"
