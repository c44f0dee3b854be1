"""The frames of a sequence on disk, whatever the format of its files."""

from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import Frame, SequenceIndex


class FileSequence(Sequence):
    """The frames of a sequence on disk, each read as an image when it is asked for.

    Args:
        index: how the frames are indexed.
        image_of: function that returns the image of the frame with a number, counted from 0.
        warnings: texts for people about what was found in the files.
    """

    def __init__(self, index: SequenceIndex, image_of: Callable[[int], sitk.Image], *, warnings: Sequence[str] = ()):
        self.index = index
        self.warnings = list(warnings)
        self._image_of = image_of

    def __len__(self) -> int:
        return len(self.index.values)

    def __getitem__(self, number: int) -> Frame:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return Frame(self._image_of(number), self.index.values[number])


def frame_image(voxels: np.ndarray, header: sitk.ImageFileReader) -> sitk.Image:
    """Return the voxels (k, j, i) of a frame as an image with the geometry in a header of three or four axes.

    Raises:
        InputError: the header gives no geometry of a frame, for instance two axes of the same direction.
    """
    axes = header.GetDimension()
    directions = np.reshape(header.GetDirection(), (axes, axes))[:3, :3].ravel().tolist()
    image = sitk.GetImageFromArray(voxels)
    try:
        image.SetSpacing(header.GetSpacing()[:3])
        image.SetOrigin(header.GetOrigin()[:3])
        image.SetDirection(directions)
    except RuntimeError as error:
        raise InputError(
            f"{header.GetFileName()}: a spacing of {header.GetSpacing()[:3]} and the directions {directions} give its "
            "frames no place in space: correct its header"
        ) from error
    return image


def metadata(header: sitk.ImageFileReader, key: str) -> str:
    """Return the value of a key in the header of an image file; empty where the key is missing.

    SimpleITK expects UTF-8. A value that is not in UTF-8 is taken for Latin-1.
    """
    value = header.GetMetaData(key) if header.HasMetaDataKey(key) else ""
    content = value.encode("utf-8", "surrogateescape")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
