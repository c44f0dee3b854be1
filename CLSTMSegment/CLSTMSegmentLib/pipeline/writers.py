"""Label sequences, written frame by frame in the format that the suffix of the output names."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import SimpleITK as sitk

from ..core.errors import InputError, StorageError
from ..core.sequence import SegmentedFrame, SequenceIndex
from ..core.structure import SegmentSet
from ..io.file_sequence import FileSequence
from ..io.label_mark import NRRD_CONTENT
from ..io.nifti_writer import NiftiTimes, NiftiWriter, check_axes
from ..io.sequence_nrrd import SequenceNrrdWriter
from ..model.description import Model

SUFFIXES = (".seq.mrb", ".seq.nrrd", ".nii.gz")

UNKEPT_BY_MRML = '<&"'
"""Characters that make a file of MRML unreadable if they are in an index."""


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


def check_storable(path: Path, frames: FileSequence, numbers: Sequence[int]) -> list[str]:
    """Check, by the headers of the frames, that the format of an output can store their labels.

    Args:
        path: a file that `check_suffix` accepts.
        frames: the frames of the sequence.
        numbers: numbers of the frames that will be written.

    Returns:
        Warnings about what the format will not store.

    Raises:
        InputError: it cannot store them.
    """
    name = path.name.lower()
    if name.endswith(".seq.mrb"):
        _check_mrml(path, frames.index.of(numbers))
        return []
    for number in numbers:
        frames.grids[numbers[0]].check_same(frames.grids[number], f"{path.name}: frame {number}")
    if not name.endswith(".nii.gz"):
        return []
    check_axes(frames.grids[numbers[0]].size, len(numbers))
    if NiftiTimes.of(frames.index.of(numbers)) is None:
        shown = ", ".join(frames.index.of(numbers[:4]).values)
        return [
            f"{path.name}: NIfTI stores only a regular step in s, ms or µs, in single precision, so the index values "
            f"({shown} ...) are not in the file: write .seq.nrrd or .seq.mrb to keep them"
        ]
    return []


def _check_mrml(path: Path, index: SequenceIndex) -> None:
    """Raise an InputError if an index has characters that MRML does not escape, and so cannot read again."""
    texts = {"index name": [index.name], "index unit": [index.unit], "index value": index.values}
    for what, values in texts.items():
        for text in values:
            if any(c < " " or c in UNKEPT_BY_MRML or (c == ";" and what == "index value") for c in text):
                raise InputError(
                    f"{path.name}: Slicer cannot read the {what} {json.dumps(text, ensure_ascii=False)} from .seq.mrb, "
                    'because of one of the characters < & " ; or a control character: write .seq.nrrd'
                )


def open_writer(path: Path, model: Model | SegmentSet, index: SequenceIndex) -> LabelWriter:
    """Return the writer for a path that `check_suffix` accepts.

    Args:
        path: the file to write.
        model: the model that segments, or the segments of a result without a model.
        index: index of the frames that will be written.
    """
    name = path.name.lower()
    if name.endswith(".seq.mrb"):
        return _MrmlWriter(path, model, index)
    if name.endswith(".seq.nrrd"):
        return _StreamWriter(path, lambda like: SequenceNrrdWriter(path, index, like, NRRD_CONTENT))
    times = NiftiTimes.of(index) or NiftiTimes()
    return _StreamWriter(path, lambda like: NiftiWriter(path, len(index.values), times, like))


class _MrmlWriter:
    """Writes a segmentation sequence of Slicer, through MRML."""

    def __init__(self, path: Path, model: Model | SegmentSet, index: SequenceIndex):
        # MRML is needed for this format alone, and not installed everywhere
        from ..scene.headless import registerConverters
        from ..scene.outputs import SegmentationOutput

        registerConverters()
        self._path = path
        self._output = SegmentationOutput(model)
        sequenceNode = self._output.sequenceNode
        sequenceNode.SetName(path.name.split(".")[0])
        sequenceNode.SetIndexName(index.name)
        sequenceNode.SetIndexUnit(index.unit)
        sequenceNode.SetIndexTypeFromString(index.type)
        sequenceNode.SetNumericIndexValueTolerance(0)

    def add(self, frame: SegmentedFrame) -> None:
        self._output.add(frame)

    def finish(self) -> None:
        from ..scene.headless import writeSequence

        writeSequence(self._output.sequenceNode, self._path)

    def release(self) -> None:
        pass


class _StreamWriter:
    """Writes a 4D label image; each frame goes to the disk at once."""

    def __init__(self, path: Path, open_stream: Callable[[sitk.Image], SequenceNrrdWriter | NiftiWriter]):
        self._path = path
        self._open = open_stream
        self._stream: SequenceNrrdWriter | NiftiWriter | None = None

    def add(self, frame: SegmentedFrame) -> None:
        with storing(self._path):
            if self._stream is None:
                self._stream = self._open(frame.labels)
            self._stream.add(frame.labels)

    def finish(self) -> None:
        with storing(self._path):
            self._stream.close()

    def release(self) -> None:
        if self._stream is not None:
            self._stream.release()
