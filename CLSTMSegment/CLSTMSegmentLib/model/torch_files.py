"""Files of PyTorch, read without running code in them, and refused in words of our own."""

import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

from ..core.errors import InputError
from ..core.plain_files import check_plain_file

DAMAGED = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
"""The errors that PyTorch's restricted unpickler was seen to raise for random bytes."""


def read_torch_file(path: Path, advice: str, device: torch.device | str = "cpu") -> object:
    """Return what `torch.save` wrote. No code in the file is executed.

    Args:
        path: the file.
        advice: what to do if it cannot be read, for messages.
        device: where its tensors are put.

    Raises:
        InputError: it is no plain file, is damaged, holds more than tensors and numbers, or would need more memory than
            the file has bytes.
    """
    check_plain_file(path)
    size = path.stat().st_size
    if _unpacked_bytes(path) > size:
        raise InputError(f"{path}: not loaded, since it unpacks to more than its size: {advice}")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:  # its message recommends to load the file without this protection
        raise InputError(
            f"{path}: not loaded, since it is damaged or holds more than tensors (loading it could run code): {advice}"
        ) from error
    except DAMAGED as error:
        raise InputError(f"{path}: not a readable PyTorch file ({_first_line(error)}): {advice}") from error
    # a tensor can repeat a few stored numbers: it takes memory only when it is used
    if any(value.numel() * value.element_size() > size for value in tensors_in(content)):
        raise InputError(f"{path}: its tensors are larger than the file: {advice}")
    return content


def tensors_in(content: object) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested dictionaries, lists and tuples."""
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))  # a list can hold itself
            waiting += value.values() if isinstance(value, dict) else value


def _unpacked_bytes(path: Path) -> int:
    """Return the size of all that a zip file holds, as its directory says; 0 for a file that is no zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):  # torch.load says what is wrong with it
        return 0


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
