"""NIfTI files, whose frames are read one at a time, and the place of their voxels in space."""

from dataclasses import replace
from itertools import product
from math import inf, isfinite
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.plain_files import reading
from ..core.same_grid import SHEAR_TOLERANCE, ImageGrid
from .nifti_header import NiftiHeader, read_nifti_header
from .voxel_reader import VoxelReader

MM = {1: 1000.0, 3: 0.001}
"""Length in mm of a unit of space that is not mm, by its code: bits 0 to 2 of the field of units."""

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


def _grid(header: NiftiHeader, itk_header: sitk.ImageFileReader | None) -> tuple[ImageGrid, list[str]]:
    """Return where the voxels of a NIfTI file lie, and warnings.

    Args:
        header: its header.
        itk_header: its geometry as SimpleITK reads it; None where SimpleITK finds no straight axes.

    Raises:
        InputError: the header gives voxels no size or no place, or the image is sheared.
    """
    if not all(0 < abs(edge) < inf for edge in header.edges):
        size = " x ".join(f"{edge:g}" for edge in header.edges)
        raise InputError(f"{header.path}: its header gives voxels of {size} mm: correct its pixdim")
    if itk_header is None:
        return _straightened(header), []
    grid, sform = replace(ImageGrid.of(itk_header), size=tuple(header.size[:3])), header.sform
    if sform is not None:
        edges = np.linalg.norm(sform[:, :3], axis=0)
        if not np.allclose(edges, np.abs(header.edges), rtol=1e-3):
            return grid, [
                f"{header.path.name}: its header gives voxels of {_product(header.edges)} mm in pixdim and of "
                f"{_product(edges)} mm in the sform: those of pixdim are used, as Slicer does"
            ]
        if header.fields["qform_code"] > 0 and not _lies_as(grid, sform * MM.get(header.fields["units"] & 7, 1.0)):
            return grid, [
                f"{header.path.name}: its qform and sform give it different places: that of the qform is used, as "
                "Slicer does, and programs that use the sform show labels beside the image"
            ]
    elif header.fields["qform_code"] <= 0:
        return grid, [
            f"{header.path.name}: its header has neither a qform nor an sform, so its orientation is not known: it is "
            "taken as Slicer does, and left and right, or front and back, may be exchanged"
        ]
    return grid, []


def _lies_as(grid: ImageGrid, matrix: np.ndarray) -> bool:
    """Return whether the corners of a grid lie where a 3 x 4 matrix from voxels to RAS puts them."""
    corners = np.array(list(product(*((-0.5, n - 0.5) for n in grid.size))))
    expected = (corners @ matrix[:, :3].T + matrix[:, 3]) @ LPS_FROM_RAS
    apart = np.linalg.norm(corners @ grid.steps.T + grid.origin - expected, axis=1).max()
    return bool(apart <= SHEAR_TOLERANCE * min(grid.spacing))


def _straightened(header: NiftiHeader) -> ImageGrid:
    """Return the straight grid nearest to the sform of a header.

    Raises:
        InputError: there is no place in space, or it is sheared too much.
    """
    sform, size = header.sform, header.size[:3]
    if sform is None or not all(map(isfinite, sform.ravel())) or abs(np.linalg.det(sform[:, :3])) < 1e-12:
        raise InputError(f"{header.path}: its qform and sform give its voxels no place in space: correct its header")
    place = LPS_FROM_RAS @ sform * MM.get(header.fields["units"] & 7, 1.0)
    edges = np.linalg.norm(place[:, :3], axis=0)
    directions = (place[:, :3] / edges).ravel().tolist()
    return ImageGrid(tuple(size), tuple(edges.tolist()), tuple(place[:, 3].tolist()), tuple(directions)).straight(
        str(header.path)
    )


def _product(edges: object) -> str:
    return " x ".join(f"{abs(edge):g}" for edge in edges)


def nifti_grid(path: Path) -> tuple[NiftiHeader, ImageGrid, list[str]]:
    """Return the header of a NIfTI file, where its voxels lie, and warnings.

    Raises:
        InputError: the header cannot be read, gives voxels no size or no place, or the image is sheared.
    """
    with reading(path):
        header = read_nifti_header(path)
        header.layout()
        _check_forms(header)
        return header, *_grid(header, _itk_header(header))


def _check_forms(header: NiftiHeader) -> None:
    """Raise an InputError if a place in space has a number that is infinite or none: ITK would compute without end."""
    for form in ("qform", "sform"):
        odd = [number for number in header.fields[form] if not isfinite(number)]
        if header.fields[f"{form}_code"] > 0 and odd:
            raise InputError(f"{header.path}: its {form} has the number {odd[0]}: correct its header")


def _itk_header(header: NiftiHeader) -> sitk.ImageFileReader | None:
    """Return the geometry in a header as SimpleITK reads it; None where SimpleITK finds no straight axes."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    displayed = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # it would print what is a warning of the run here
    try:
        with TemporaryDirectory(prefix="clstm-segment-") as folder:
            copy = Path(folder) / "geometry.nii"
            copy.write_bytes(header.geometry())
            reader.SetFileName(str(copy))
            reader.ReadImageInformation()
    except RuntimeError:
        return None
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(displayed)
    return reader


def read_nifti_image(path: Path) -> sitk.Image:
    """Return the 3D image in a NIfTI file.

    Raises:
        InputError: the file cannot be read, is truncated or damaged, or is no scalar 3D image.
    """
    header, grid, _ = nifti_grid(path)
    grid.check(str(path))
    layout = header.layout()
    if layout.count != 1:
        raise InputError(f"{path} is a sequence of {layout.count} frames: a single 3D image is needed")
    with reading(path):
        return grid.place(sitk.GetImageFromArray(VoxelReader(layout)[0]))
