"""The frames of a sequence on disk, whatever the format of its files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError
from ..core.plain_files import file_version
from ..core.same_grid import ImageGrid
from ..core.sequence import Frame, SequenceIndex


class FileSequence(Sequence):
    """The frames of a sequence on disk, each read as an image when it is asked for.

    Args:
        index: how the frames are indexed.
        image_of: function that returns the image of the frame with a number, counted from 0; it needs no geometry.
        grids: where the voxels of each frame lie, by the headers of the files. Frames with the same grid as the first
            one, but for rounding, get exactly that.
        files: the files from which each frame is read.
        warnings: texts for people about what was found in the files; `SequenceIndex.distinct` may add some.

    Raises:
        InputError: a grid gives its frame no place in space, or is sheared.
    """

    def __init__(
        self,
        index: SequenceIndex,
        image_of: Callable[[int], sitk.Image],
        grids: Sequence[ImageGrid],
        files: Sequence[Sequence[Path]],
        *,
        warnings: Sequence[str] = (),
    ):
        self.index, odd = index.distinct()
        self.grids = _straight(grids, files)
        self.warnings = [*warnings, *odd]
        self._image_of = image_of
        self.files = files
        self._versions = {path: file_version(path) for path in {path for of_frame in files for path in of_frame}}

    def __len__(self) -> int:
        return len(self.index.values)

    def __getitem__(self, number: int) -> Frame:
        """Return a frame.

        Raises:
            InputError: it cannot be read, or its file has changed since the sequence was opened.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        self._check_unchanged(number)
        try:
            image = self._image_of(number)
        except (InputError, OSError) as error:
            self._check_unchanged(number)  # this is then the cause
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.files[number][0]} cannot be read ({error.strerror or error})") from error
        self._check_unchanged(number)
        grid = self.grids[number]
        if image.GetSize() != grid.size:
            sizes = f"{image.GetSize()} and {grid.size}"
            raise InputError(f"{self.files[number][0]}: its header gives it both {sizes} voxels: correct it")
        return Frame(grid.place(image), self.index.values[number])

    def _check_unchanged(self, number: int) -> None:
        for path in self.files[number]:
            if file_version(path) != self._versions[path]:
                raise InputError(
                    f"{path} was changed, replaced or removed while it was read: run again when it is complete"
                )


def _straight(grids: Sequence[ImageGrid], files: Sequence[Sequence[Path]]) -> list[ImageGrid]:
    """Return the grids of all frames as `FileSequence` keeps them.

    Each grid is looked at once, however many frames have it: a file of some hundred bytes can have millions of them.
    """
    names = {grid: str(of_frame[0]) for grid, of_frame in zip(grids, files, strict=True)}
    for grid, name in names.items():
        grid.check(name)
    straight = {grid: grid.straight(name) for grid, name in names.items()}
    first = straight[grids[0]]
    kept = {grid: first if first.is_same(one) else one for grid, one in straight.items()}
    return [kept[grid] for grid in grids]


def frame_axis(path: Path, size: Sequence[int]) -> int | None:
    """Return the axis of an image along which its frames follow each other, counted from 0; None for a single frame.

    Args:
        path: the file.
        size: number of voxels along each axis: three of space, and then at most one that is longer than 1.

    Raises:
        InputError: the image has other axes.
    """
    long = [axis for axis in range(3, len(size)) if size[axis] != 1]
    if len(size) < 3 or len(long) > 1:
        raise InputError(
            f"{path} has {len(size)} axes of {' x '.join(map(str, size))} voxels: three axes of space and at most one "
            "of time are needed: save it as a sequence of 3D images"
        )
    return long[0] if long else None


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
