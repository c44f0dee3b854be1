"""Files and folders that are never seen half written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file or folder of the same name to write, which becomes `path` when the block ends well, and goes otherwise.

    Raises:
        InputError: the folder is not there or cannot be written, or `path` is itself a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder that is there already: give another name")
    try:
        folder = TemporaryDirectory(prefix=".clstm-segment-", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another place") from error
    with folder:
        partial = Path(folder.name) / path.name
        yield partial
        partial.replace(path)
