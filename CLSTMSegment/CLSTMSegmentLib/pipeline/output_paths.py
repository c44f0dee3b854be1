"""Where results may be written: never over an input, over each other, or over a file of somebody else."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from ..core.atomic_write import PREFIX, check_folder, check_place, replacing, write_text
from ..core.errors import InputError
from ..core.plain_files import check_path, file_digest, read_text, resolved
from ..model.bundle import model_path

RECORD = ".clstm-segment-files"
"""JSON file with the name of each file that cohorts and demos have written into its folder.

Each name has the SHA-256 of the last two contents, since a run can be killed before it replaces one with the other. It
has None where the content is checked elsewhere, as the labels and the report of a sequence are, by that report."""

CONTENTS = 2
"""Number of contents of a file that are recorded."""


def check_outputs(
    outputs: Sequence[Path],
    inputs: Iterable[Path],
    models: Iterable[str] = (),
    own_folder: Path | None = None,
    reserved: Iterable[Path] = (),
) -> None:
    """Raise an InputError unless the outputs can be written, are different files, and none of them is an input.

    The folder of an output must be there, except the one that the command makes for all its results.

    Two paths are the same file also when one of them is a link. Paths of two new files are taken for the same when they
    differ in upper and lower case only, which some file systems ignore.

    Args:
        outputs: files or folders that will be written.
        inputs: files that are read; see `io.sequence_files.files_of_sequence`.
        models: names or paths of models that are read.
        own_folder: folder that the command makes for all its results, if it is missing.
        reserved: folders that a teaching job makes: nothing else may be written into them.
    """
    reserved = [resolved(folder) for folder in reserved]
    places: dict[object, Path] = {}
    for output in outputs:
        check_place(output)
        if output.name.lower().startswith(PREFIX):
            raise InputError(
                f"{output}: names that begin with {PREFIX} are kept for files of this program: choose another"
            )
        for folder in reserved:
            if resolved(output).is_relative_to(folder):
                raise InputError(f"{output} lies in {folder}, which the teaching job makes: choose another place")
        if _identity(output) in places:
            raise InputError(f"two results have the same place, {output}: give each one a name of its own")
        places[_identity(output)] = output
    for folder, output in {output.parent: output for output in outputs}.items():
        if own_folder is not None and resolved(folder) == resolved(own_folder):
            check_own_folder(own_folder)
        else:
            check_folder(folder, output)
    if not any(output.exists() for output in outputs):  # the inputs may be many files
        return
    for file in chain((file for name in models for file in _files_of_model(model_path(name))), inputs):
        if _identity(file) in places:
            output = places[_identity(file)]
            raise InputError(f"{output} is an input and would be replaced: choose another place for the result")


def check_own_folder(folder: Path) -> None:
    """Raise an InputError unless files can be written into a folder, which is made if it is missing."""
    check_path(folder)
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
    check_folder(nearest, folder)


def check_written_before(folder: Path, outputs: Iterable[Path], writer: str = "cohort") -> None:
    """Raise an InputError if one of the outputs is a file that no cohort or demo wrote, or that was changed since.

    Args:
        folder: the folder of the results.
        outputs: files in it that will be written.
        writer: what writes them, for messages.
    """
    ours = _recorded(folder)
    advice = "choose another folder for the results, or move this file"
    for output in outputs:
        if not output.exists():
            continue
        if output.name not in ours:
            raise InputError(f"{output} exists, and no {writer} wrote it: {advice}")
        digests = ours[output.name]
        if digests is not None and not (output.is_file() and file_digest(output) in digests):
            raise InputError(f"{output} was changed after a {writer} wrote it: {advice}")


def record_outputs(folder: Path, outputs: Iterable[Path]) -> None:
    """Record the names of files that a cohort is going to write, whose content is checked elsewhere; see `RECORD`."""
    _record(folder, {output.name: None for output in outputs})


def record_written(folder: Path, outputs: Iterable[Path]) -> None:
    """Record the names and the contents of files that were written into a folder; see `RECORD`."""
    ours = _recorded(folder)
    _record(folder, {o.name: [*(ours.get(o.name) or []), file_digest(o)][-CONTENTS:] for o in outputs})


@contextmanager
def replacing_own(path: Path, writer: str = "cohort") -> Iterator[Path]:
    """Yield a temporary path as `replacing` does, for a file that only a cohort or demo may replace, and record it.

    Raises:
        InputError: see `check_written_before`, which is asked before and after the block, and `replacing`.
    """
    check_written_before(path.parent, [path], writer)
    with replacing(path) as partial:
        yield partial
        check_written_before(path.parent, [path], writer)
        earlier = _recorded(path.parent).get(path.name) or []
        _record(path.parent, {path.name: [*earlier, file_digest(partial)][-CONTENTS:]})


def _record(folder: Path, digests: Mapping[str, list[str] | None]) -> None:
    write_text(folder / RECORD, json.dumps(dict(sorted((_recorded(folder) | digests).items())), indent=1))


def _recorded(folder: Path) -> dict[str, list[str] | None]:
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        content = json.loads(read_text(path))
        if isinstance(content, list):  # as earlier versions wrote it
            return {str(name): None for name in content}
        return {str(name): None if digests is None else list(map(str, digests)) for name, digests in content.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged ({error}): move it away, with the results of earlier runs beside it"
        ) from error


def _files_of_model(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else [path]


def _identity(path: Path) -> object:
    """Return a value that two paths share when they are the same file, or would become the same file."""
    if path.exists():
        status = path.stat()
        return status.st_dev, status.st_ino
    return str(resolved(path)).casefold()
