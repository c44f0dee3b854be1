"""Label sequences, written frame by frame in the format that the suffix of the output names."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import SimpleITK as sitk

from ..core.errors import InputError, StorageError, sitk_cause
from ..core.sequence import SegmentedFrame, SequenceIndex
from ..io.image_files import read_image, write_image
from ..io.sequence_nrrd import SequenceNrrdWriter
from ..model.description import Model

SUFFIXES = (".seq.mrb", ".seq.nrrd", ".nii.gz")


class LabelWriter(Protocol):
    """Writes the labels of finished frames into one output."""

    def add(self, frame: SegmentedFrame) -> None:
        """Write the labels of the next frame.

        Raises:
            InputError: the format cannot store this frame.
            StorageError: the disk is full or cannot be written.
        """

    def finish(self) -> None:
        """Complete the output after the last frame; raises what `add` raises."""

    def release(self) -> None:
        """Close the files, complete or not: Windows neither removes nor renames a file that is open."""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an error of the disk in the block into a StorageError that names the file."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path.name} cannot be written ({error.strerror or error})") from error


def check_suffix(path: Path) -> None:
    """Raise an InputError unless labels can be written in the format that the path names."""
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"output {path}: give a name that ends in {', '.join(SUFFIXES)}")
    if path.name.lower().endswith(".seq.mrb"):
        try:
            import slicer  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"output {path}: .seq.mrb needs MRML: pip install slicer-core, or write {SUFFIXES[1]}"
            ) from error


def open_writer(path: Path, model: Model, index: SequenceIndex) -> LabelWriter:
    """Return the writer for a path that `check_suffix` accepts.

    Args:
        path: the file to write.
        model: the model that segments.
        index: index of the frames that will be written.
    """
    name = path.name.lower()
    if name.endswith(".seq.mrb"):
        return _MrmlWriter(path, model, index)
    return _NrrdWriter(path, index) if name.endswith(".seq.nrrd") else _NiftiWriter(path, index)


class _MrmlWriter:
    """Writes a segmentation sequence of Slicer, through MRML."""

    def __init__(self, path: Path, model: Model, index: SequenceIndex):
        # MRML is needed for this format alone, and not installed everywhere
        from ..scene.headless import registerConverters
        from ..scene.outputs import SegmentationOutput

        if len(set(index.values)) < len(index.values):
            raise InputError(
                f"{path.name}: two frames have the same index value, which MRML cannot store: write .seq.nrrd"
            )
        # MRML takes equal numbers, such as 1 and 1.0, for one frame
        apart = index.is_numeric and len(set(map(float, index.values))) == len(index.values)
        registerConverters()
        self._path = path
        self._output = SegmentationOutput(model)
        sequenceNode = self._output.sequenceNode
        sequenceNode.SetName(path.name.split(".")[0])
        sequenceNode.SetIndexName(index.name)
        sequenceNode.SetIndexUnit(index.unit)
        sequenceNode.SetIndexTypeFromString("numeric" if apart else "text")
        sequenceNode.SetNumericIndexValueTolerance(0)

    def add(self, frame: SegmentedFrame) -> None:
        self._output.add(frame)

    def finish(self) -> None:
        from ..scene.headless import writeSequence

        writeSequence(self._output.sequenceNode, self._path)

    def release(self) -> None:
        pass


class _NrrdWriter:
    """Writes a 4D label image with the name, unit and values of the index; each frame goes to the disk at once."""

    def __init__(self, path: Path, index: SequenceIndex):
        self._path = path
        self._index = index
        self._writer: SequenceNrrdWriter | None = None

    def add(self, frame: SegmentedFrame) -> None:
        with storing(self._path):
            if self._writer is None:
                self._writer = SequenceNrrdWriter(self._path, self._index, frame.labels)
            self._writer.add(frame.labels)

    def finish(self) -> None:
        with storing(self._path):
            self._writer.close()

    def release(self) -> None:
        if self._writer is not None:
            self._writer.release()


class _NiftiWriter:
    """Writes a 4D label image; NIfTI can store a regular time step, but no other index values."""

    def __init__(self, path: Path, index: SequenceIndex):
        self._path = path
        self._labels: list[sitk.Image] = []
        self._start, self._step = _regular_step(index)

    def add(self, frame: SegmentedFrame) -> None:
        self._labels.append(frame.labels)

    def finish(self) -> None:
        try:
            image = sitk.JoinSeries(self._labels, self._start, self._step)
        except RuntimeError as error:
            raise InputError(
                "the frames differ in geometry, which one 4D file cannot store: write a .seq.mrb instead"
            ) from error
        with storing(self._path):
            try:
                write_image(self._path, image)
            except RuntimeError as error:
                raise OSError(sitk_cause(error)) from error
            if not _contains(self._path, image):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def release(self) -> None:
        pass


def _contains(path: Path, image: sitk.Image) -> bool:
    """Return whether a file contains an image: SimpleITK gives no error when a NIfTI file does not fit on the disk."""
    try:
        return sitk.Hash(read_image(path)) == sitk.Hash(image)
    except InputError:
        return False


def _regular_step(index: SequenceIndex) -> tuple[float, float]:
    """Return the first index value and the step between values.

    Returns:
        (0, 1) for values that are not regular numbers; rounded values may be off by 1 % of a step.
    """
    if not index.is_numeric or len(index.values) < 2:
        return 0.0, 1.0
    numbers = [float(v) for v in index.values]
    step = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
    regular = all(abs(numbers[0] + t * step - v) <= 0.01 * abs(step) for t, v in enumerate(numbers))
    return (numbers[0], step) if regular and step > 0 else (0.0, 1.0)
