"""Which device to run on, whether it works, and how much memory it has free."""

import ctypes
import os
import sys
from pathlib import Path

import torch

from .errors import InputError


def choose_device(wanted: str) -> tuple[torch.device, list[str]]:
    """The device to use, and warnings about what could not be used.

    Args:
        wanted: "auto" (the first GPU that works, else the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        InputError: a device asked for by name is not there or does not work.
    """
    if wanted == "auto":
        warnings = []
        for name in _accelerators():
            trouble = _trouble(torch.device(name))
            if trouble is None:
                return torch.device(name), warnings
            warnings.append(f"{name} is there but cannot be used ({trouble}): running on the CPU")
        return torch.device("cpu"), warnings
    kind, _, number = wanted.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise InputError(f"unknown device {wanted!r}: use auto, cpu, cuda, cuda:N or mps")
    device = torch.device(wanted)
    trouble = _trouble(device)
    if trouble is not None:
        raise InputError(f"device {wanted} cannot be used ({trouble}): use auto or cpu")
    return device, []


def describe_devices() -> list[tuple[str, str]]:
    """What there is to run on: (name for `choose_device`, text for people); one that fails says why."""
    devices = []
    for name in _accelerators():
        device = torch.device(name)
        if device.type == "cuda":
            memory = torch.cuda.get_device_properties(device).total_memory / 2**30
            text = f"{torch.cuda.get_device_name(device)}, {memory:.0f} GB"
        else:
            text = "Apple GPU"
        trouble = _trouble(device)
        devices.append((name, text if trouble is None else f"{text}: cannot be used ({trouble})"))
    return [*devices, ("cpu", f"CPU, {os.cpu_count()} cores")]


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 by itself; one that must imitate it is many times slower with it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _accelerators() -> list[str]:
    names = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return names + (["mps"] if torch.backends.mps.is_available() else [])


def _trouble(device: torch.device) -> str | None:
    """Why a device does not work, found by running a small convolution on it; None when it does.

    A card newer than the installed PyTorch is listed as available and fails only here.
    """
    try:
        torch.nn.Conv3d(1, 1, 3, padding=1).to(device)(torch.zeros(1, 1, 4, 4, 4, device=device)).sum().item()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return None


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
