"""The devices that can run a network: choosing one, trying it, and describing all of them."""

import os

import torch

from .device_names import check_device_name
from .errors import InputError


def choose_device(name: str) -> tuple[torch.device, list[str]]:
    """Return the device to use, and warnings about devices that could not be used.

    Args:
        name: "auto" (the first GPU that works, else the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        InputError: a device that was asked for by name does not exist or does not work.
    """
    check_device_name(name)
    if name == "auto":
        warnings = []
        for accelerator in _accelerators():
            trouble = _trouble(torch.device(accelerator))
            if trouble is None:
                return torch.device(accelerator), warnings
            warnings.append(f"{accelerator} exists but cannot be used ({trouble}): the run uses another device")
        return torch.device("cpu"), warnings
    device = torch.device(name)
    trouble = _trouble(device)
    if trouble is not None:
        raise InputError(f"device {name} cannot be used ({trouble}): use auto or cpu")
    return device, []


def describe_devices() -> list[tuple[str, str]]:
    """Return all devices as (name for `choose_device`, text for people); the text says why a device cannot be used."""
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
    """Return whether a device computes in bfloat16 in hardware; emulating it is many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _accelerators() -> list[str]:
    names = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return names + (["mps"] if torch.backends.mps.is_available() else [])


def _trouble(device: torch.device) -> str | None:
    """Return why a device does not work, found by running a small convolution on it; None when it works.

    A card newer than the installed PyTorch is listed as available and fails only here.
    """
    try:
        torch.nn.Conv3d(1, 1, 3, padding=1).to(device)(torch.zeros(1, 1, 4, 4, 4, device=device)).sum().item()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return None
