"""The devices that can run a network, and their precisions: choosing one, trying it, and describing all of them."""

import os
from pathlib import Path

import torch

from .device_names import check_device_name
from .errors import InputError

CPU_INFO = Path("/proc/cpuinfo")

BFLOAT16_SINCE, TENSOR_CORES_SINCE = (8, 0), (7, 0)
"""Compute capabilities of the first NVIDIA GPUs that compute in bfloat16, and in float16 on tensor cores."""


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


def copy_to(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the CPU on a device. Python goes on while it is copied to an NVIDIA GPU."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


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


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of the numbers in which a network computes; float32 is never replaced by TF32.

    | device | "auto" |
    |---|---|
    | NVIDIA GPU with bfloat16 (compute capability 8.0 and later) | bfloat16 |
    | older NVIDIA GPU with tensor cores (7.0 and later) | float16 |
    | CPU with AMX, or AMD's CPU with AVX-512 BF16 (Zen 4 and later) | bfloat16 |
    | any other device | float32 |

    Intel's CPUs with AVX-512 BF16 but without AMX are about half as fast in bfloat16 as in float32. A trial of the
    speed cannot replace this table: the same computer must always give the same labels.

    Args:
        name: one of `engine.settings.PRECISIONS`.
        device: where the network computes.

    Raises:
        InputError: the device would only emulate the precision, which is many times slower than float32.
    """
    if device.type == "cuda":
        # PyTorch would compute convolutions in TF32, whose numbers have 10 bits where those of float32 have 23
        torch.backends.cudnn.allow_tf32 = False
    if name == "auto":
        if _is_faster_in_bfloat16(device):
            return torch.bfloat16
        return torch.float16 if device.type == "cuda" and _has_tensor_cores(device) else torch.float32
    if name == "bfloat16" and not has_bfloat16(device):
        raise InputError(f"device {device} does not compute in bfloat16: use the precision auto or float32")
    if name == "float16" and device.type == "cpu":
        raise InputError("the precision float16 is for GPUs: use auto or float32 on a CPU")
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def precision_name(dtype: torch.dtype) -> str:
    """Return the name of a precision, as `choose_precision` takes it."""
    return str(dtype).removeprefix("torch.")


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes in bfloat16 in hardware; emulating it is many times slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= BFLOAT16_SINCE
    return _cpu_has(device, "avx512_bf16") or _cpu_has(device, "amx_bf16")


def _is_faster_in_bfloat16(device: torch.device) -> bool:
    """Return whether convolutions in bfloat16 are faster than in float32; the same on every call."""
    if device.type == "cuda":
        return has_bfloat16(device)
    return _cpu_has(device, "amx_bf16") or (_cpu_has(device, "avx512_bf16") and _is_cpu_of_amd())


def _has_tensor_cores(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= TENSOR_CORES_SINCE


def _cpu_has(device: torch.device, capability: str) -> bool:
    # PyTorch before 2.10 does not tell what a CPU can do: it computes in float32 there
    return device.type == "cpu" and getattr(torch.cpu, "get_capabilities", dict)().get(capability, False)


def _is_cpu_of_amd() -> bool:
    """Return whether AMD made the CPU, as Linux says in a file and Windows in a variable; macOS runs on none."""
    told = CPU_INFO.read_text(encoding="utf-8") if CPU_INFO.exists() else os.environ.get("PROCESSOR_IDENTIFIER", "")
    return "AuthenticAMD" in told


def _accelerators() -> list[str]:
    names = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return names + (["mps"] if torch.backends.mps.is_available() else [])


def _trouble(device: torch.device) -> str | None:
    """Return why a device does not work, found by running a small convolution on it; None when it works.

    A card newer than the installed PyTorch is listed as available and fails only here.
    """
    x, weight = torch.arange(256.0).sin().reshape(1, 4, 4, 4, 4), torch.arange(432.0).cos().reshape(4, 4, 3, 3, 3)
    x = x.contiguous(memory_format=torch.channels_last_3d)
    try:
        found = torch.nn.functional.conv3d(x.to(device), weight.to(device), padding=1).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        return str(error).splitlines()[0]
    expected = torch.nn.functional.conv3d(x, weight, padding=1)
    return None if torch.allclose(found, expected, atol=0.05) else "its convolutions give wrong numbers"
