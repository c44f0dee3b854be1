"""A 4D image file, such as a NIfTI or MetaImage file, read as a sequence."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from .file_sequence import metadata
from .image_files import read_image
from .nifti_header import read_nifti_header

NIFTI_TIME_UNITS = {8: ("s", 1), 16: ("ms", 1_000), 24: ("us", 1_000_000)}
"""Time units of NIfTI-1 and their number in a second, by their code: bits 3 to 5 of xyzt_units."""


def read_4d_image(path: Path, header: sitk.ImageFileReader) -> tuple[SequenceIndex, np.ndarray]:
    """Return the sequence in a 4D image, whose last axis is time.

    Args:
        path: the file.
        header: its header, which has four axes.

    Returns:
        How the frames are indexed, and the voxels (t, k, j, i) in the type of the file.

    Raises:
        InputError: the file cannot be read, or its voxels are not scalars.
    """
    if header.GetNumberOfComponents() != 1:
        raise InputError(f"{path} is a sequence of colour or vector images: only scalar images can be segmented")
    count, step, start = header.GetSize()[3], header.GetSpacing()[3], header.GetOrigin()[3]
    units = metadata(header, "xyzt_units")
    # SimpleITK has changed the times of a NIfTI file to seconds
    unit, per_second = NIFTI_TIME_UNITS.get(int(units) & 56, ("", 1)) if units.isdecimal() else ("", 1)
    values = [f"{(start + t * step) * per_second:.10g}" for t in range(count)]
    index = SequenceIndex(values, "time" if unit else "frame", unit)
    nifti = read_nifti_header(path)
    if not index.is_numeric or (nifti is not None and nifti.time_step is None):
        index = SequenceIndex([str(t) for t in range(count)])
    return index, sitk.GetArrayFromImage(read_image(path))
