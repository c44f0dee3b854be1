"""The progress bar of a run on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from ..core.progress import Progress


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar while the block works, and yield the function that updates it.

    Args:
        quiet: show no bar. Where the output is no terminal, there is none in any case.
    """
    with tqdm(desc="reading", total=0, disable=quiet or None, bar_format="{desc}|{bar}| {n}/{total}") as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.frames
            bar.n = progress.frame - 1
            bar.set_description_str(describe(progress))

        yield show
        bar.n = bar.total


def describe(progress: Progress) -> str:
    """Return the progress in words: "frame 7 of 20, tile 3 of 8, 40 s left"."""
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    return f"frame {progress.frame} of {progress.frames}, tile {progress.tile} of {progress.tiles}{left}"
