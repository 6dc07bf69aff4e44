"""How much memory a device has left."""

from __future__ import annotations

import os
from pathlib import Path

import torch

__all__ = ["free_memory"]

UNKNOWN = 4 * 2**30
"""Assumed where the system does not say."""


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on a device without others being pushed out; a guess where it cannot be told."""
    if device.type == "cuda":
        reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reusable
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    limits = [_available(), _control_group()]
    return min((limit for limit in limits if limit is not None), default=UNKNOWN)


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # another system than Linux
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _control_group() -> int | None:
    """What the limit of a container leaves."""
    group = Path("/sys/fs/cgroup")
    try:
        return max(0, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no such limit
        return None
