"""A 4D NIfTI file, written one frame at a time, so that RAM need not hold a long sequence."""

import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError, sitk_cause
from ..core.same_grid import ImageGrid
from ..core.sequence import SequenceIndex
from .label_mark import NIFTI_LABEL_INTENT

LONGEST_AXIS = 32767
"""Largest number of voxels along an axis, and of frames, that the header can hold."""

TIME_CODES = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 8),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 16),
    **dict.fromkeys(("us", "usec", "µs", "μs", "microsecond", "microseconds"), 24),
}
"""Codes of units of time by their names."""

MOST_TIME = 1e38
"""Largest number that the header can hold in single precision, about."""

MM, HEADER_BYTES = 2, 352


@dataclass(frozen=True)
class NiftiTimes:
    """What a NIfTI file can store of an index: a first value, a regular step, and a unit of time.

    Attributes:
        first, step: the index value of frame 0, and the step from frame to frame.
        code: of the unit of time; 0 for none.
    """

    first: float = 0.0
    step: float = 1.0
    code: int = 0

    @classmethod
    def of(cls, index: SequenceIndex) -> "NiftiTimes | None":
        """Return what can be stored of an index; None where it cannot be stored.

        Its values must be numbers that lie at most 1 % of a step beside regular ones, in a unit of time that NIfTI has,
        or in none. They are stored in single precision, which must not move them by more than 1 % of a step.
        """
        unit = index.unit.strip().lower()
        if not index.is_numeric or (unit and unit not in TIME_CODES):
            return None
        code = TIME_CODES.get(unit, 0)
        numbers = [float(value) for value in index.values]
        if max(map(abs, numbers)) > MOST_TIME:
            return None
        if len(numbers) < 2:
            return cls(numbers[0], code=code)
        step = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
        if abs(float(np.float32(numbers[0])) - numbers[0]) > 0.01 * step:
            return None
        if step <= 0 or any(abs(numbers[0] + t * step - number) > 0.01 * step for t, number in enumerate(numbers)):
            return None
        return cls(numbers[0], step, code)


class NiftiWriter:
    """Writes a .nii.gz of label images.

    Args:
        path: the file.
        count: number of frames that will be added.
        times: the times of the frames.
        like: an image with the geometry and the voxel type that all frames share.

    Raises:
        InputError: the format cannot store as many frames, or as many voxels along an axis.
    """

    def __init__(self, path: Path, count: int, times: NiftiTimes, like: sitk.Image):
        check_axes(like.GetSize(), count)
        self._grid = ImageGrid.of(like)
        self._type = sitk.GetArrayViewFromImage(like).dtype.newbyteorder("<")
        header = _header(like)
        struct.pack_into("<8h", header, 40, 4, *like.GetSize(), count, 1, 1, 1)
        struct.pack_into("<h", header, 68, NIFTI_LABEL_INTENT)
        struct.pack_into("<f", header, 92, times.step)
        struct.pack_into("<B", header, 123, MM | times.code)
        struct.pack_into("<f", header, 136, times.first)
        self._file = path.open("wb")
        self._stream = gzip.GzipFile(filename="", fileobj=self._file, mode="wb", compresslevel=4, mtime=0)
        self._stream.write(header)

    def add(self, image: sitk.Image) -> None:
        """Append one frame.

        Raises:
            InputError: the frame differs in geometry from the first one.
        """
        self._grid.check_same(ImageGrid.of(image))
        self._stream.write(sitk.GetArrayViewFromImage(image).astype(self._type, copy=False).tobytes())

    def close(self) -> None:
        """Write what is still buffered, and close the file."""
        self._stream.close()
        self._file.close()

    def release(self) -> None:
        """Close a file that will be removed, without writing what is buffered; after `close` this does nothing."""
        self._file.raw.close()


def check_axes(size: Sequence[int], count: int) -> None:
    """Raise an InputError if frames of a size in voxels, or their number, are more than the format can store."""
    for number, what in ((count, "frames"), (max(size), "voxels along an axis")):
        if number > LONGEST_AXIS:
            raise InputError(
                f"a .nii.gz cannot store {number} {what}, but {LONGEST_AXIS} at most: write a .seq.nrrd instead"
            )


def _header(like: sitk.Image) -> bytearray:
    """Return the header that SimpleITK writes for a sequence of images of this geometry and voxel type."""
    with TemporaryDirectory(prefix="clstm-segment-") as folder:
        path = Path(folder) / "header.nii"
        try:
            sitk.WriteImage(sitk.JoinSeries([like, like]), str(path))
        except RuntimeError as error:
            raise OSError(sitk_cause(error)) from error
        with path.open("rb") as file:
            return bytearray(file.read(HEADER_BYTES))
