"""Files and folders that are never seen half written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path of the same name to write, a file or a folder.

    It becomes `path` when the block ends without an error, and is removed otherwise.

    Raises:
        InputError: the folder around `path` is missing or cannot be written, or `path` is itself a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder that exists already: give another name")
    try:
        folder = TemporaryDirectory(prefix=".clstm-segment-", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another place") from error
    with folder:
        partial = Path(folder.name) / path.name
        yield partial
        partial.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as a whole.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a text file in UTF-8 as a whole.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    write_bytes(path, content.encode("utf-8"))
