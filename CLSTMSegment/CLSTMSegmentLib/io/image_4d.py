"""NIfTI and MetaImage files, read as sequences."""

from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError
from ..core.plain_files import reading
from ..core.same_grid import ImageGrid
from ..core.sequence import SequenceIndex
from .detached_voxels import voxel_files
from .file_sequence import FileSequence, frame_axis
from .image_files import read_header, read_image
from .metaimage_header import read_metaimage_header
from .nifti_image import nifti_grid
from .voxel_reader import VoxelReader


def read_nifti(path: Path) -> FileSequence:
    """Return the sequence in a NIfTI file.

    Raises:
        InputError: the file cannot be read, is truncated or damaged, or is no sequence of scalar 3D images.
    """
    header, grid, warnings = nifti_grid(path)
    times, layout = header.times, header.layout()
    with reading(path):
        voxels, count = VoxelReader(layout), layout.count
    index = SequenceIndex([str(t) for t in range(count)])
    if times is not None:
        values, unit = times
        index = SequenceIndex(values, "time" if unit else "frame", unit)
    return FileSequence(
        index,
        lambda number: sitk.GetImageFromArray(voxels[number]),
        [grid] * count,
        [[path]] * count,
        warnings=warnings,
    )


def read_metaimage(path: Path) -> FileSequence:
    """Return the sequence in a MetaImage file.

    Raises:
        InputError: the file cannot be read, is truncated or damaged, or is no sequence of scalar 3D images.
    """
    header = read_header(path)
    if header.GetNumberOfComponents() != 1:
        raise InputError(f"{path} is a colour or vector image: only scalar images can be segmented")
    axis = frame_axis(path, header.GetSize())
    grid, values = ImageGrid.of(header), ["0"]
    if axis is not None:
        start, step = header.GetOrigin()[axis], header.GetSpacing()[axis]
        values = [f"{start + t * step:.10g}" for t in range(header.GetSize()[axis])]
    with reading(path):
        metaimage = read_metaimage_header(path)
        index = metaimage.times(len(values)) or SequenceIndex(values)
        warnings = metaimage.check_lengths()
        layout = metaimage.layout()
        if layout is not None:
            voxels = VoxelReader(layout)
        else:
            voxels = sitk.GetArrayFromImage(read_image(path)).reshape(len(values), *grid.size[::-1])
    return FileSequence(
        index,
        lambda number: sitk.GetImageFromArray(voxels[number]),
        [grid] * len(values),
        [[path, *voxel_files(path)]] * len(values),
        warnings=warnings,
    )
