"""The names of devices, checked without torch, which takes seconds to import."""

import re

from .errors import InputError

PATTERN = re.compile(r"auto|cpu|mps|cuda(:(0|[1-9]\d?))?")


def check_device_name(name: str) -> None:
    """Raise an InputError unless a name can be one of a device; whether there is such a device is another question."""
    if not PATTERN.fullmatch(name):
        raise InputError(f"unknown device {name!r}: use auto, cpu, cuda, cuda:N or mps")
