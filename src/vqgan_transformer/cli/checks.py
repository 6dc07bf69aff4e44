"""``checks``: versions, devices, memory, and which extras are there: what to look at first when something is amiss."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from .command import Command, Console

__all__ = ["CHECKS"]

PACKAGE = "vqgan_transformer"


def checks(values: dict[str, Any], console: Console) -> None:
    """Looks at the machine and the installation."""
    del values
    environment = {
        "package": _package(),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "devices": _devices(),
        "memory": _memory(),
        "disk": f"{shutil.disk_usage(Path.cwd()).free / 2**30:.0f} GiB free here",
        "dependencies": _versions(_requirements(None)),
        "extras": {name: _extra(name) for name in _extras()},
    }
    console.result(environment, "\n".join(_lines(environment)))


def _package() -> str:
    from ..version import __version__

    return f"{__version__} ({Path(__file__).parent.parent})"


def _devices() -> list[str]:
    import torch

    cards = [
        f"cuda:{index} {torch.cuda.get_device_name(index)}, {torch.cuda.mem_get_info(index)[0] / 2**30:.0f} GiB free"
        for index in range(torch.cuda.device_count())
    ]
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return [*cards, *apple, f"cpu with {torch.get_num_threads()} threads of {os.cpu_count()} cores"]


def _memory() -> str:
    import torch

    from ..sampler.free_memory import free_memory

    return f"{free_memory(torch.device('cpu')) / 2**30:.1f} GiB free"


def _requirements(extra: str | None) -> list[str]:
    """Names of the packages that the package needs, or an extra of it."""
    try:
        lines = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []
    names = []
    for line in lines:
        of_extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if (of_extra[1] if of_extra else None) == extra:
            names.append(re.split(r"[^\w.-]", line, maxsplit=1)[0])
    return names


def _extras() -> list[str]:
    try:
        return metadata.metadata(PACKAGE).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def _versions(names: list[str]) -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _extra(name: str) -> dict[str, Any]:
    versions = _versions(_requirements(name))
    missing = [package for package, version in versions.items() if version is None]
    return {
        "installed": versions,
        "missing": missing,
        "to get it": f"pip install '{PACKAGE}[{name}]'" if missing else None,
    }


def _lines(environment: dict[str, Any]) -> list[str]:
    lines = [f"{name:13} {environment[name]}" for name in ("package", "python", "system", "memory", "disk")]
    lines += [f"{'device':13} {device}" for device in environment["devices"]]
    if not environment["dependencies"]:
        lines.append("dependencies  not known: the package is used from its source; pip install . makes them known")
    lines += [f"{'needs':13} {name} {version or 'is missing'}" for name, version in environment["dependencies"].items()]
    for name, extra in environment["extras"].items():
        state = f"lacks {', '.join(extra['missing'])}: {extra['to get it']}" if extra["missing"] else "is there"
        lines.append(f"{'extra':13} {name} {state}")
    return lines


CHECKS = Command(
    "checks",
    "versions, devices, memory and extras of this installation; what is missing, and how to get it",
    checks,
    list,
)
