"""How much memory is free, how much this process has held, and whether an error says that there is no more."""

import ctypes
import os
import sys
from pathlib import Path

import torch


def free_memory(device: torch.device) -> int:
    """Bytes that a run may use on the device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    if sys.platform == "win32":
        return _windows_free_memory()
    if sys.platform == "linux":
        return _linux_bytes("/proc/meminfo", "MemAvailable:")
    # macOS has no cheap figure for reclaimable memory: half of all is a careful guess
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
    """Most bytes of memory that this process has held so far."""
    if sys.platform == "win32":
        return _windows_peak_memory()
    if sys.platform == "linux":
        # what getrusage says there includes the process that started this one
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


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out: of NumPy, of SimpleITK, or of PyTorch on any device."""
    signs = (
        "out of memory",
        "can't allocate memory",
        "not enough memory",
        "Failed to allocate memory",
        "bad_alloc",
        # oneDNN says no more when its scratch memory cannot be had
        "could not create a primitive",
        "could not create a memory object",
        # nor ITK when there is no memory for the stack of a thread
        "Unable to create thread",
        "Unable to join thread",
    )
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)
