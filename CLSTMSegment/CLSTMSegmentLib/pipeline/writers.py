"""Label sequences written frame by frame, by the suffix of the output."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import SegmentedFrame, SequenceIndex
from ..io.image_files import read_image, write_image
from ..io.sequence_nrrd import SequenceNrrdWriter
from ..model.description import Model

SUFFIXES = (".seq.mrb", ".seq.nrrd", ".nii.gz")


class Writer(Protocol):
    """Takes the finished frames in order; the file is complete after `finish`.

    Both raise an OSError that names the file when the disk is full. `release` lets go of the file,
    finished or not: on Windows an open file cannot be removed or renamed.
    """

    def add(self, result: SegmentedFrame) -> None: ...

    def finish(self) -> None: ...

    def release(self) -> None: ...


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the disk, which do not always say so, name the file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path.name) from error


def check_suffix(path: Path) -> None:
    """Raise an InputError unless the output is of a kind that can be written."""
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"output {path}: give a name that ends in {', '.join(SUFFIXES)}")
    if path.name.lower().endswith(".seq.mrb"):
        try:
            import slicer  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"output {path}: .seq.mrb needs MRML: pip install slicer-core, or write {SUFFIXES[1]}"
            ) from error


def open_writer(path: Path, model: Model, index: SequenceIndex) -> Writer:
    """The writer for a path that `check_suffix` accepts.

    Args:
        index: of the frames that will be written.
    """
    name = path.name.lower()
    if name.endswith(".seq.mrb"):
        return _BundleWriter(path, model, index)
    return _NrrdWriter(path, index) if name.endswith(".seq.nrrd") else _NiftiWriter(path, index)


class _BundleWriter:
    """A segmentation sequence of Slicer, through MRML."""

    def __init__(self, path: Path, model: Model, index: SequenceIndex):
        from ..scene.headless import registerConverters
        from ..scene.outputs import SegmentationOutput

        registerConverters()
        self._path = path
        self._output = SegmentationOutput(model)
        node = self._output.sequenceNode
        node.SetName(path.name.split(".")[0])
        node.SetIndexName(index.name)
        node.SetIndexUnit(index.unit)
        node.SetIndexTypeFromString(index.type)
        node.SetNumericIndexValueTolerance(0)
        self.add = self._output.add

    def finish(self) -> None:
        from ..scene.headless import writeSequence

        writeSequence(self._output.sequenceNode, self._path)

    def release(self) -> None:
        pass


class _NrrdWriter:
    """A 4D labelmap with index name, unit and values, streamed to disk."""

    def __init__(self, path: Path, index: SequenceIndex):
        self._path = path
        self._index = index
        self._writer: SequenceNrrdWriter | None = None

    def add(self, result: SegmentedFrame) -> None:
        with naming(self._path):
            if self._writer is None:
                self._writer = SequenceNrrdWriter(self._path, self._index, result.labels)
            self._writer.add(result.labels)

    def finish(self) -> None:
        with naming(self._path):
            self._writer.close()

    def release(self) -> None:
        if self._writer is not None:
            self._writer.release()


class _NiftiWriter:
    """A 4D labelmap; NIfTI has room for a regular time step only."""

    def __init__(self, path: Path, index: SequenceIndex):
        self._path = path
        self._labels: list[sitk.Image] = []
        self._start, self._step = _regular_step(index)

    def add(self, result: SegmentedFrame) -> None:
        self._labels.append(result.labels)

    def finish(self) -> None:
        try:
            joined = sitk.JoinSeries(self._labels, self._start, self._step)
        except RuntimeError as error:
            raise InputError(
                "the frames differ in geometry, which one 4D file cannot hold: write a .seq.mrb instead"
            ) from error
        write_image(self._path, joined)
        # SimpleITK says nothing when a compressed NIfTI file does not fit on the disk
        try:
            whole = sitk.Hash(read_image(self._path)) == sitk.Hash(joined)
        except RuntimeError:
            whole = False
        if not whole:
            raise OSError(errno.ENOSPC, "could not be written whole: is the disk full?", self._path.name)

    def release(self) -> None:
        pass


def _regular_step(index: SequenceIndex) -> tuple[float, float]:
    """First index value and step, (0, 1) where they are not regular numbers (to 1 % of a step: they may be rounded)."""
    if index.type != "numeric" or len(index.values) < 2:
        return 0.0, 1.0
    numbers = [float(v) for v in index.values]
    step = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
    regular = all(abs(numbers[0] + t * step - v) <= 0.01 * abs(step) for t, v in enumerate(numbers))
    return (numbers[0], step) if regular and step > 0 else (0.0, 1.0)
