"""Images converted between SimpleITK, whose coordinates are LPS, and VTK and MRML, whose coordinates are RAS."""

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..core.boxes import Box, bounding_box, full_box
from ..core.same_grid import ImageGrid

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])
"""Converts RAS to LPS coordinates, and LPS to RAS."""


def imageFromVolume(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> sitk.Image:
    """Return a copy of a scalar volume node as an image, without the transforms that the node is under."""
    return volumeGrid(volumeNode).place(sitk.GetImageFromArray(voxelsOf(volumeNode)))


def voxelsOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Return the voxels (k, j, i) of a scalar volume node, which are not copied."""
    imageData = volumeNode.GetImageData()
    return vtk_to_numpy(imageData.GetPointData().GetScalars()).reshape(imageData.GetDimensions()[::-1])


def volumeGrid(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> ImageGrid:
    """Return where the voxels of a scalar volume node lie, without the transforms that the node is under."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(matrix)
    directions = slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
    return ImageGrid(
        volumeNode.GetImageData().GetDimensions(),
        volumeNode.GetSpacing(),
        tuple((LPS_FROM_RAS @ volumeNode.GetOrigin()).tolist()),
        tuple((LPS_FROM_RAS @ directions).ravel().tolist()),
    )


def orientedImage(image: sitk.Image) -> slicer.vtkOrientedImageData:
    """Return a copy of an image as VTK image data that carries its geometry."""
    return _oriented(image, full_box(image.GetSize()[::-1]))


def labelmapImage(labels: sitk.Image) -> slicer.vtkOrientedImageData:
    """Return a copy of labels as VTK image data that is cropped to what is not 0.

    The geometry is that of the whole image; the extent says which part of it the data are. Without any label, the
    extent is empty.
    """
    return _oriented(labels, bounding_box(sitk.GetArrayViewFromImage(labels) != 0) or ((0, 0),) * 3)


def volumeGeometry(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkOrientedImageData:
    """Return the geometry of a scalar volume node as VTK image data without voxels."""
    geometry = slicer.vtkOrientedImageData()
    geometry.SetDimensions(volumeNode.GetImageData().GetDimensions())
    ijkToRAS = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToRAS)
    geometry.SetGeometryFromImageToWorldMatrix(ijkToRAS)
    return geometry


def imageGeometry(image: sitk.Image) -> slicer.vtkOrientedImageData:
    """Return the geometry of an image as VTK image data without voxels."""
    geometry = slicer.vtkOrientedImageData()
    geometry.SetDimensions(image.GetSize())
    geometry.SetSpacing(image.GetSpacing())
    geometry.SetOrigin((LPS_FROM_RAS @ image.GetOrigin()).tolist())
    geometry.SetDirectionMatrix(_directionsInRAS(image))
    return geometry


def _oriented(image: sitk.Image, box: Box) -> slicer.vtkOrientedImageData:
    part = sitk.GetArrayViewFromImage(image)[tuple(slice(start, stop) for start, stop in box)]
    return withVoxels(imageGeometry(image), part, box)


def withVoxels(geometry: slicer.vtkOrientedImageData, voxels: np.ndarray, box: Box) -> slicer.vtkOrientedImageData:
    """Return a geometry, which is that of the whole image, after it got a copy of the voxels (k, j, i) in a box."""
    geometry.SetExtent([end for start, stop in reversed(box) for end in (start, stop - 1)])
    geometry.GetPointData().SetScalars(_scalars(voxels))
    return geometry


def volumeFromImage(image: sitk.Image) -> slicer.vtkMRMLScalarVolumeNode:
    """Return a copy of an image as a scalar volume node that is in no scene."""
    imageData = vtk.vtkImageData()
    imageData.SetDimensions(image.GetSize())
    imageData.GetPointData().SetScalars(_scalars(sitk.GetArrayViewFromImage(image)))
    volumeNode = slicer.vtkMRMLScalarVolumeNode()
    volumeNode.SetAndObserveImageData(imageData)
    volumeNode.SetSpacing(image.GetSpacing())
    volumeNode.SetOrigin((LPS_FROM_RAS @ image.GetOrigin()).tolist())
    volumeNode.SetIJKToRASDirectionMatrix(_directionsInRAS(image))
    return volumeNode


def _scalars(voxels: np.ndarray) -> vtk.vtkDataArray:
    scalars = numpy_to_vtk(voxels.ravel(), deep=True)
    scalars.SetName("ImageScalars")
    return scalars


def _directionsInRAS(image: sitk.Image) -> vtk.vtkMatrix4x4:
    matrix = np.eye(4)
    matrix[:3, :3] = LPS_FROM_RAS @ np.array(image.GetDirection()).reshape(3, 3)
    return slicer.util.vtkMatrixFromArray(matrix)


def voxelsMTime(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Return a number that changes whenever a volume gets other voxels."""
    scalars = volumeNode.GetImageData().GetPointData().GetScalars()
    return scalars.GetMTime() if scalars is not None else 0
