"""RAM and GPU memory: how much is free, and how much this process has held."""

import ctypes
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def free_memory(device: "torch.device") -> int:
    """Return the bytes of memory that a run can use on a device."""
    if device.type in ("cuda", "mps"):
        import torch  # which takes seconds, and is there already where a run has such a device

    if device.type == "cuda":
        # what PyTorch keeps for its next tensors is free, too
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    if sys.platform == "win32":
        return _windows_free_memory()
    if sys.platform == "linux":
        return _linux_bytes("/proc/meminfo", "MemAvailable:")
    # macOS has no cheap figure for the memory that it could free: half of all RAM is a careful guess
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _linux_bytes(path: str, key: str) -> int:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def _windows_free_memory() -> int:
    class MemoryStatus(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "available", "page_total", "page_free", "virtual", "virtual_free", "extended")
        ]

    status = MemoryStatus()
    status.length = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return status.available


def peak_memory() -> int:
    """Return the most bytes of RAM that this process has held so far."""
    if sys.platform == "win32":
        return _windows_peak_memory()
    if sys.platform == "linux":
        # on Linux the figure of getrusage includes the process that started this one
        return _linux_bytes("/proc/self/status", "VmHWM:")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _windows_peak_memory() -> int:
    class Counters(ctypes.Structure):
        _fields_ = [("size", ctypes.c_ulong), ("faults", ctypes.c_ulong)] + [
            (name, ctypes.c_size_t) for name in ("peak", "working", "a", "b", "c", "d", "pagefile", "peak_pagefile")
        ]

    counters = Counters()
    counters.size = ctypes.sizeof(counters)
    process = ctypes.c_void_p(ctypes.windll.kernel32.GetCurrentProcess())
    ctypes.windll.psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    return counters.peak
