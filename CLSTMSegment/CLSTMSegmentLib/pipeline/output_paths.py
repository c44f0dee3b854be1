"""Where results may be written: never over an input, over each other, or over a file of somebody else."""

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from ..core.atomic_write import write_text
from ..core.errors import InputError
from ..core.plain_files import check_path
from ..model.bundle import model_path

RECORD = ".clstm-segment-files"
"""JSON file in the folder of a cohort or demo that names the files which cohorts and demos have written there."""


def check_outputs(outputs: Sequence[Path], inputs: Iterable[Path], models: Iterable[str] = ()) -> None:
    """Raise an InputError unless the outputs can be written, are different files, and none of them is an input.

    Two paths are the same file also when one of them is a link. Paths of two new files are taken for the same when they
    differ in upper and lower case only, which some file systems ignore.

    Args:
        outputs: files or folders that will be written.
        inputs: files that are read; see `io.sequence_files.files_of_sequence`.
        models: names or paths of models that are read.
    """
    places: dict[object, Path] = {}
    for output in outputs:
        check_path(output)
        if _identity(output) in places:
            raise InputError(f"two results have the same place, {output}: give each one a name of its own")
        places[_identity(output)] = output
    if not any(output.exists() for output in outputs):  # the inputs may be many files
        return
    for file in chain((file for name in models for file in _files_of_model(model_path(name))), inputs):
        if _identity(file) in places:
            output = places[_identity(file)]
            raise InputError(f"{output} is an input and would be replaced: choose another place for the result")


def check_written_before(folder: Path, outputs: Iterable[Path], writer: str = "cohort") -> None:
    """Raise an InputError if one of the outputs in a folder is a file that no earlier cohort or demo wrote there.

    Args:
        folder: the folder of the results.
        outputs: files in it that will be written.
        writer: what writes them, for messages.
    """
    ours = _recorded(folder)
    for output in outputs:
        if output.exists() and output.name not in ours:
            raise InputError(
                f"{output} exists, and no {writer} wrote it: choose another folder for the results, or move this file"
            )


def record_outputs(folder: Path, outputs: Iterable[Path]) -> None:
    """Record the names of files that a cohort or demo is going to write into a folder, for `check_written_before`."""
    names = sorted(_recorded(folder) | {output.name for output in outputs})
    write_text(folder / RECORD, json.dumps(names, indent=1))


def _recorded(folder: Path) -> set[str]:
    path = folder / RECORD
    if not path.exists():
        return set()
    try:
        return {str(name) for name in json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): choose another folder for the results") from error


def _files_of_model(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else [path]


def _identity(path: Path) -> object:
    """Return a value that two paths share when they are the same file, or would become the same file."""
    if path.exists():
        status = path.stat()
        return status.st_dev, status.st_ino
    return str(path.resolve()).casefold()
