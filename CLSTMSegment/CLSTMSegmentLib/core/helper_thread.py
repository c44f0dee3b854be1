"""Work that a helper thread does while its user works: one step ahead, or one step behind."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


def one_ahead(make: Callable[[Key], Item], keys: Iterable[Key]) -> Iterator[Item]:
    """Yield what `make` returns for each key; a helper thread makes the next item while the user has this one.

    An error is raised in the place of the item that could not be made. Close the iterator where it is left early: it
    then waits for the helper thread.
    """
    with ThreadPoolExecutor(1) as helper:
        waiting: Future | None = None
        for key in keys:
            following = helper.submit(make, key)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


@contextmanager
def one_behind(action: Callable[[Item], object]) -> Iterator[Callable[[Item], None]]:
    """Yield a function that lets a helper thread do something with an item, while the block goes on.

    The function waits until the item before is done, so that there is never more than one. What the action raised is
    raised by the next call, or at the end of the block. Where the block fails, its own error counts.
    """
    with ThreadPoolExecutor(1) as helper:
        waiting: Future | None = None

        def hand_over(item: Item) -> None:
            nonlocal waiting
            if waiting is not None:
                waiting.result()
            waiting = helper.submit(action, item)

        yield hand_over
        if waiting is not None:
            waiting.result()
