"""The files of the results of a run, which are put in their places together, at its end."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from ..core.atomic_write import replacing
from ..core.errors import InputError, StorageError
from ..core.plain_files import file_version
from ..core.stop_signals import stopped_after_this


@dataclass(frozen=True)
class Outputs:
    """The files of a run. An output whose path is None is not written.

    Attributes:
        labels: the label sequence, in the format that its suffix names (see `writers.SUFFIXES`).
        dicom_seg: new folder for a DICOM SEG object of every frame; only for DICOM images.
        volumes: CSV file of segment volumes over time.
        preview: PNG file with slices, outlines and volume curves.
        report: JSON file with the `RunResult`.
    """

    labels: Path
    dicom_seg: Path | None = None
    volumes: Path | None = None
    preview: Path | None = None
    report: Path | None = None

    def paths(self) -> list[Path]:
        """Return the files and folders that are written."""
        return [path for field in fields(self) if (path := getattr(self, field.name)) is not None]

    @contextmanager
    def replaced_at_the_end(self) -> Iterator["Outputs"]:
        """Yield temporary paths, which become these when the block ends without an error.

        The labels are put in place first and the report last: where there is a report, everything else is there. A
        signal to stop that comes meanwhile waits until all are in place.

        Raises:
            InputError: one of the places cannot be written, or somebody else wrote there in the meantime.
            StorageError: a finished file cannot be put in its place; the message names those that were.
        """
        in_place: list[str] = []
        before = versions_of(self.paths())
        try:
            with ExitStack() as stack:
                yield Outputs(
                    **{
                        field.name: stack.enter_context(_replacing(path, in_place))
                        for field in reversed(fields(self))
                        if (path := getattr(self, field.name)) is not None
                    }
                )
                check_unchanged(before)
                with stopped_after_this():
                    stack.close()
        except OSError as error:
            if not in_place:
                raise
            raise StorageError(
                f"{error.filename2} cannot be put in its place ({error.strerror}), but these results of the run are in "
                f"theirs: {', '.join(in_place)}"
            ) from error


def versions_of(outputs: Iterable[Path]) -> dict[Path, object]:
    """Return which version of each output is there before a run, for `check_unchanged`."""
    return {path: file_version(path) for path in outputs}


def check_unchanged(before: Mapping[Path, object]) -> None:
    """Raise an InputError if somebody else has written to the place of an output since `versions_of` was called."""
    for path, version in before.items():
        if file_version(path) != version:
            raise InputError(
                f"{path} was made or changed by somebody else during the run, and stays as it is: no result was "
                "written; run again, with other names for the results"
            )


@contextmanager
def _replacing(path: Path, in_place: list[str]) -> Iterator[Path]:
    """Do what `replacing` does, and add the path to a list once the new file is in its place."""
    with replacing(path) as partial:
        yield partial
    in_place.append(str(path))
