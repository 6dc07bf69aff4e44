"""The state of a run as data: tensors in safetensors, all else in JSON. Reading it executes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import CheckpointError
from ..storage.config_json import read_json
from ..storage.weights import read_safetensors

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["load_network", "load_optimizer", "load_state", "network_state", "optimizer_state", "save_state"]

TENSORS, NUMBERS = "state.safetensors", "state.json"


def save_state(folder: Path, progress: dict[str, Any], state: Mapping[str, Any]) -> None:
    """Writes where a run stands.

    Args:
        folder: to write into; beside it lies the model, whose files are remembered.
        progress: JSON values.
        state: nested dictionaries of tensors and JSON values; keys without "/".
    """
    folder.mkdir(exist_ok=True)
    leaves = dict(_leaves(state))
    tensors = {name: value.detach().cpu().contiguous() for name, value in leaves.items() if isinstance(value, Tensor)}
    numbers = {name: value for name, value in leaves.items() if not isinstance(value, Tensor)}
    save_file(tensors, folder / TENSORS)
    model = [path.relative_to(folder.parent).as_posix() for path in _model_files(folder)]
    stored = {"progress": progress, "state": numbers, "model": model}
    (folder / NUMBERS).write_text(json.dumps(stored) + "\n", encoding="utf-8")


def load_state(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads what :func:`save_state` wrote.

    Raises:
        CheckpointError: for damaged or missing files, those of the model included, which may become the run's result; the
            message says what is the matter with them.
    """
    try:
        stored = read_json(folder / NUMBERS)
        progress, state = dict(stored["progress"]), _nested({**stored["state"], **load_file(folder / TENSORS)})
        _check_model(folder, stored.get("model", []))
    except Exception as error:  # safetensors has exceptions of its own
        raise CheckpointError(f"{type(error).__name__}: {error}") from error
    return progress, state


def _model_files(folder: Path) -> list[Path]:
    """The configs and weights that lie beside the folder of a state."""
    beside = sorted(path for path in folder.parent.rglob("*") if folder not in path.parents)
    return [path for path in beside if path.suffix in (".json", ".safetensors")]


def _check_model(folder: Path, names: Iterable[str]) -> None:
    """Refuses a model of which files are lacking or, by their headers, damaged.

    Raises:
        CheckpointError: for it.
    """
    there = _model_files(folder)
    gone = sorted({folder.parent / name for name in names} - {*there})
    if gone:
        raise CheckpointError(f"{gone[0]} is not there.")
    for path in there:
        read_json(path) if path.suffix == ".json" else read_safetensors(path)


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, Mapping):
            yield from _leaves(part, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", part


def _nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, value in leaves.items():
        *parents, name = path.split("/")
        branch = root
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[name] = value
    return root


def network_state(accelerator: Accelerator, network: nn.Module) -> dict[str, Tensor]:
    """The weights and buffers of a prepared network, whole even where they are sharded."""
    if _sharded(accelerator):
        return dict(accelerator.get_state_dict(network))
    result: dict[str, Tensor] = accelerator.unwrap_model(network).state_dict()
    return result


def load_network(accelerator: Accelerator, network: nn.Module, state: dict[str, Tensor]) -> None:
    """Takes back what :func:`network_state` gave."""
    if _sharded(accelerator):
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

        set_model_state_dict(network, {**state}, options=StateDictOptions(full_state_dict=True))
    else:
        accelerator.unwrap_model(network).load_state_dict(state)


def optimizer_state(accelerator: Accelerator, network: nn.Module, optimizer: Any) -> dict[str, dict[str, Any]]:
    """What a prepared optimizer knows of each parameter of its network, by the parameter's name."""
    if _sharded(accelerator):
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state: Any = get_optimizer_state_dict(network, _inner(optimizer), options=options)["state"]
        return dict(state)
    known = _inner(optimizer).state
    named = accelerator.unwrap_model(network).named_parameters()
    return {name: dict(known[parameter]) for name, parameter in named if parameter in known}


def load_optimizer(accelerator: Accelerator, network: nn.Module, optimizer: Any, state: dict[str, Any]) -> None:
    """Takes back what :func:`optimizer_state` gave, for the parameters that there are; others begin anew."""
    inner = _inner(optimizer)
    if _sharded(accelerator):
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

        groups = [{**group, "params": list(state)} for group in inner.param_groups[:1]]
        stored: Any = {"state": state, "param_groups": groups}
        set_optimizer_state_dict(network, inner, stored, options=StateDictOptions(full_state_dict=True))
        return
    names = {parameter: name for name, parameter in accelerator.unwrap_model(network).named_parameters()}
    parameters = [parameter for group in inner.param_groups for parameter in group["params"]]
    by_number = {
        number: {key: _like(value, parameter) for key, value in state[names[parameter]].items()}
        for number, parameter in enumerate(parameters)
        if _fits(state.get(names[parameter]), parameter)
    }
    inner.load_state_dict({"state": by_number, "param_groups": inner.state_dict()["param_groups"]})


def _fits(known: Mapping[str, Any] | None, parameter: Tensor) -> bool:
    """Whether that can have been known of a parameter of this shape."""
    return known is not None and all(
        value.shape in ((), parameter.shape) for value in known.values() if isinstance(value, Tensor)
    )


def _like(value: Any, parameter: Tensor) -> Any:
    """In the parameter's memory format, so that a resumed run rounds as one that was not stopped."""
    if isinstance(value, Tensor) and value.shape == parameter.shape and value.ndim:
        return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
    return value


def _sharded(accelerator: Accelerator) -> bool:
    result: bool = accelerator.distributed_type.value == "FSDP"
    return result


def _inner(optimizer: Any) -> torch.optim.Optimizer:
    result: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
    return result
