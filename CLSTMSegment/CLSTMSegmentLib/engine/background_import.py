"""Import of the engine while something else is done."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def engine_imported_meanwhile() -> Iterator[Callable[[], bool]]:
    """Import the segmenter, and with it torch, in a helper thread while the block works.

    The import takes a second, in which one core works. Libraries that read and unpack files let it go on.

    Yields:
        A function that says whether the import has ended.

    Raises:
        ImportError: torch is missing.
    """
    with ThreadPoolExecutor(1) as helper:
        importing = helper.submit(_import_engine)
        yield importing.done
        importing.result()


def _import_engine() -> None:
    from . import segmenter  # noqa: F401
