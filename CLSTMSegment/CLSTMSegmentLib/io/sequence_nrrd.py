"""NRRD sequences, as Slicer and others write them, read and written one frame at a time."""

import gzip
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.plain_files import reading
from ..core.same_grid import ImageGrid
from ..core.sequence import SequenceIndex
from .detached_voxels import voxel_files
from .file_sequence import FileSequence
from .image_files import read_header, read_image
from .nrrd_header import NrrdHeader, read_nrrd_header
from .voxel_reader import VoxelReader

TIME_TAGS = ("TriggerTime", "AcquisitionTime", "ContentTime", "SeriesTime", "FrameReferenceTime")
"""DICOM tags of times, by which MultiVolume tells frames apart."""


def read_sequence_nrrd(path: Path) -> FileSequence:
    """Return the sequence in a NRRD file.

    Raises:
        InputError: the file cannot be read, is truncated or damaged, or is no sequence of scalar 3D images.
    """
    with reading(path):
        header = read_nrrd_header(path)
        if header is None:
            raise InputError(f"{path} cannot be read as an image: it is no NRRD file")
        if not header.sizes:
            raise InputError(f"{path} cannot be read as an image: its header gives no numbers of voxels")
        axis = header.frame_axis()
        of_place = header.check_place(axis)
        count = 1 if axis is None else header.sizes[axis]
        voxels_of = _voxels(header, axis, count)
        with header.for_itk(axis) as readable:
            try:
                grid = ImageGrid.of(read_header(readable))
            except InputError as error:
                raise InputError(str(error).replace(str(readable), str(path))) from error
    index, warnings = _index(header, axis, count)
    return FileSequence(
        index,
        lambda number: sitk.GetImageFromArray(voxels_of(number)),
        [grid] * count,
        [[path, *voxel_files(path)]] * count,
        warnings=[*warnings, *of_place],
    )


def _voxels(header: NrrdHeader, axis: int | None, count: int) -> Callable[[int], np.ndarray]:
    """Return a function that returns the voxels (k, j, i) of a frame.

    It reads a frame when it is asked for, unless the frames do not follow each other, or have an odd encoding.
    """
    layout = header.layout(axis)
    if layout is not None and axis != 0:
        return VoxelReader(layout).__getitem__
    if layout is not None:
        voxels = VoxelReader(layout)[0]
    else:
        image = read_image(header.path)
        shape = (*image.GetSize()[2::-1], count)
        array = sitk.GetArrayFromImage(image)
        if image.GetNumberOfComponentsPerPixel() == 1:
            return array.reshape(count, *shape[:3]).__getitem__
        voxels = array.reshape(shape)
    frames = np.ascontiguousarray(np.moveaxis(voxels, -1, 0))
    return frames.__getitem__


def _index(header: NrrdHeader, axis: int | None, count: int) -> tuple[SequenceIndex, list[str]]:
    """Return how the frames are indexed, and warnings.

    Slicer writes index values separated by spaces and URL-encoded; its former module MultiVolume wrote frame labels.
    """
    if axis is None:
        return SequenceIndex(["0"]), []
    keys = header.keys
    written = keys.get("axis 3 index values") or keys.get("axis 0 index values") or ""
    labels, of_multi_volume = [unquote(value) for value in written.split()], False
    if not labels and keys.get("MultiVolume.FrameLabels"):
        labels, of_multi_volume = [v.strip() for v in keys["MultiVolume.FrameLabels"].split(",")], True
    name, unit = header.of_axis("labels", axis), header.of_axis("units", axis) or header.of_axis("space units", axis)
    if of_multi_volume:
        name = keys.get("MultiVolume.FrameIdentifyingDICOMTagName", "")
        name = "time" if name in TIME_TAGS else name
        unit = keys.get("MultiVolume.FrameIdentifyingDICOMTagUnits", "")
    name = name or ("time" if header.kinds[axis] == "time" else "frame")
    if not labels:
        if header.steps(axis) is None:  # a name and a unit without times would be taken for times
            return SequenceIndex([str(t) for t in range(count)]), []
        start, step = header.steps(axis)
        return SequenceIndex([f"{start + t * step:.10g}" for t in range(count)], name, unit), []
    warnings = []
    if len(labels) != count:
        warnings.append(
            f"{header.path.name} has {count} frames and {len(labels)} index values: frames without one are counted"
        )
    values = labels[:count] + [str(t) for t in range(len(labels), count)]
    kind = keys.get("axis 3 index type") or keys.get("axis 0 index type")
    index = SequenceIndex(values, name, unit, kind or "numeric")
    return (index if kind or index.is_numeric else replace(index, type="text")), warnings


NRRD_TYPES = {np.dtype(np.uint8): "unsigned char", np.dtype(np.int16): "short", np.dtype(np.float32): "float"}


def _field(text: str) -> str:
    """Return text that can stand in a line of a NRRD header: it ends neither the line nor its quotation marks."""
    return re.sub(r'[\x00-\x1f"\\]', " ", text)


class SequenceNrrdWriter:
    """Writes a .seq.nrrd that Slicer opens, one frame at a time.

    Args:
        path: the file.
        index: how the frames that will be added are indexed; it has a value for each of them.
        like: an image with the geometry and voxel type (uint8, int16 or float32) that all frames share.
        content: what the file holds, such as `label_mark.NRRD_CONTENT`; empty for images.
    """

    def __init__(self, path: Path, index: SequenceIndex, like: sitk.Image, content: str = ""):
        self._grid = ImageGrid.of(like)
        self._type = sitk.GetArrayViewFromImage(like).dtype
        steps = np.array(like.GetDirection()).reshape(3, 3) * np.array(like.GetSpacing())

        def vector(values: Sequence[float]) -> str:
            return "(" + ",".join(repr(float(v)) for v in values) + ")"

        lines = [
            "NRRD0005",
            *([f"content: {content}"] if content else []),
            f"type: {NRRD_TYPES[self._type]}",
            "dimension: 4",
            "space: left-posterior-superior",
            f"sizes: {' '.join(str(n) for n in like.GetSize())} {len(index.values)}",
            f"space directions: {' '.join(vector(steps[:, axis]) for axis in range(3))} none",
            "kinds: domain domain domain list",
            f'labels: "" "" "" "{_field(index.name)}"',
            f'units: "" "" "" "{_field(index.unit)}"',
            "endian: little",
            "encoding: gzip",
            f"space origin: {vector(like.GetOrigin())}",
            f"axis 3 index type:={_field(index.type)}",
            f"axis 3 index values:={' '.join(quote(v, safe='+,:/()') for v in index.values)}",
        ]
        self._file = path.open("wb")
        self._file.write(("\n".join(lines) + "\n\n").encode("utf-8"))
        self._stream = gzip.GzipFile(filename="", fileobj=self._file, mode="wb", compresslevel=4, mtime=0)

    def add(self, image: sitk.Image) -> None:
        """Append one frame.

        Raises:
            InputError: the frame differs in geometry from the first one.
        """
        self._grid.check_same(ImageGrid.of(image))
        self._stream.write(sitk.GetArrayViewFromImage(image).astype(self._type.newbyteorder("<"), copy=False).tobytes())

    def close(self) -> None:
        """Write what is still buffered, and close the file."""
        self._stream.close()
        self._file.close()

    def release(self) -> None:
        """Close a file that will be removed, without writing what is buffered; after `close` this does nothing."""
        self._file.raw.close()


def write_sequence(path: Path, index: SequenceIndex, images: Sequence[sitk.Image]) -> None:
    """Write images of equal geometry and voxel type as a .seq.nrrd; see `SequenceNrrdWriter`."""
    writer = SequenceNrrdWriter(path, index, images[0])
    for image in images:
        writer.add(image)
    writer.close()
