"""A DICOM sequence, classic or enhanced, read as volumes: each image shows one place at one time."""

from collections import Counter
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from .dicom_files import dicom_files
from .dicom_groups import ImageGroup, group_images
from .dicom_header import DIRECTORY, DicomHeader, without_remarks
from .dicom_image import DicomImage, images_in_file, read_pixels
from .dicom_owner import doubts_of_owner
from .dicom_stack import stack_grid
from .dicom_times import order_by_time
from .file_sequence import FileSequence


class DicomFolder:
    """What DICOM files hold: images in groups, and objects that are no images, which are left out.

    Args:
        source: the folder, the file, or a DICOMDIR, which stands for its folder.

    Attributes:
        source: the same.
        groups: the images, a group for each sequence or volume; see `dicom_groups.group_images`.
        left_out: kinds of other objects, and how many there are of each.

    Raises:
        InputError: a file is damaged, or an image does not say where it lies.
    """

    @without_remarks()
    def __init__(self, source: Path):
        self.source = source
        headers = [DicomHeader(path) for path in dicom_files(source)]
        if len(headers) == 1 and headers[0].sop_class == DIRECTORY and source.is_file():
            headers = [DicomHeader(path) for path in dicom_files(source.parent)]
        images: list[DicomImage] = []
        self.left_out: Counter[str] = Counter()
        for header in headers:
            if kind := header.what_it_is:
                self.left_out[kind] += 1
            else:
                images += images_in_file(header)
        self.groups = group_images(_without_copies(images))

    def group(self, number: int | None) -> ImageGroup:
        """Return a group by its number, counted from 1; None for the only one.

        Raises:
            InputError: there are no images or several groups, or there is no group with this number.
        """
        if not self.groups:
            what = ", ".join(f"{count} x {kind}" for kind, count in self.left_out.items())
            raise InputError(f"{self.source} holds no images that can be segmented, but {what or 'no DICOM files'}")
        if number is None and len(self.groups) > 1:
            raise InputError(
                f"{self.source} holds {self._listed()}: choose one with --series N, or give a folder with one of them"
            )
        if number is not None and not 1 <= number <= len(self.groups):
            raise InputError(f"{self.source} has no series {number}; it holds {self._listed()}")
        return self.groups[(number or 1) - 1]

    def _listed(self) -> str:
        what = "; ".join(
            f"{number}. {group}, such as {group.images[0].path.name}" for number, group in enumerate(self.groups, 1)
        )
        owners = len({group.owner for group in self.groups})
        return f"{len(self.groups)} different things{f', of {owners} patients or studies' * (owners > 1)}: {what}"


class CineSeries(FileSequence):
    """A DICOM sequence: the images of one group, sorted by place and time.

    Args:
        source: the folder or file.
        number: of the group, as in `DicomFolder.group`.

    Frame t is the t-th image of each place. The index values are times in ms since the first frame, phases in %, or
    the numbers of the frames; see `dicom_times`.

    Raises:
        InputError: a file that cannot be read, images that are no even stack, places with different numbers of images,
            images without an order in time, or several groups of which none is chosen.
    """

    @without_remarks()
    def __init__(self, source: Path, number: int | None = None):
        group = DicomFolder(source).group(number)
        places = group.places
        _check_counts(source, group)
        _check_scales(group)
        if len(group.images) == 1 and group.images[0].number is None and source.is_file():
            raise InputError(f"{source} is a single image of a series: give the folder of the series")
        grid, assumed = stack_grid(source, places)
        order = order_by_time(source, places)
        self._places = order.places
        self._compressed: dict[Path, np.ndarray] = {}
        frames = list(zip(*order.places, strict=True))
        super().__init__(
            order.index,
            self._volume,
            [grid] * len(frames),
            [sorted({image.path for image in images}) for images in frames],
            warnings=[*doubts_of_owner(group.images), *assumed, *order.warnings],
        )

    def slices(self, number: int) -> list[DicomImage]:
        """Return the images of a frame, in the order of its slices."""
        return [images[number] for images in self._places]

    def _volume(self, number: int) -> sitk.Image:
        arrays = [read_pixels(image, self._compressed) for image in self.slices(number)]
        return sitk.GetImageFromArray(np.stack(arrays))


def _check_counts(source: Path, group: ImageGroup) -> None:
    counts = sorted({len(images) for images in group.places})
    if len(counts) > 1:
        fewest = min(group.places, key=len)[0]
        raise InputError(
            f"{source}: there are {counts[0]} images at some places along the stack and {counts[-1]} at others: "
            f"images are missing, for instance beside {fewest.identity}, or there is more than one series"
        )


def _check_scales(group: ImageGroup) -> None:
    """Raise an InputError if a compressed file has images of different scales: SimpleITK applies one to all."""
    scales: dict[Path, set] = {}
    for image in group.images:
        if image.number is not None and image.stored is None:
            scale = tuple(image.values.get(name) for name in ("RescaleSlope", "RescaleIntercept"))
            scales.setdefault(image.path, set()).add(scale)
    for path, found in scales.items():
        if len(found) > 1:
            raise InputError(f"{path}: its compressed images have different rescale slopes: decompress it first")


def _without_copies(images: list[DicomImage]) -> list[DicomImage]:
    """Return images without those of files that are copies of another one, to the byte."""
    known: dict[tuple, list[Path]] = {}
    kept = []
    for image in images:
        same = known.setdefault((str(image.values.get("SOPInstanceUID")), image.number), [])
        is_copy = image.values.get("SOPInstanceUID") is not None and any(
            path.stat().st_size == image.path.stat().st_size and path.read_bytes() == image.path.read_bytes()
            for path in same
        )
        if not is_copy:
            same.append(image.path)
            kept.append(image)
    return kept
