"""Images converted between SimpleITK, whose coordinates are LPS, and VTK and MRML, whose coordinates are RAS."""

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])
"""Converts RAS to LPS coordinates, and LPS to RAS."""


def imageFromVolume(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> sitk.Image:
    """Return a copy of a scalar volume node as an image, without the transforms that the node is under."""
    imageData = volumeNode.GetImageData()
    shape = imageData.GetDimensions()[::-1]
    image = sitk.GetImageFromArray(vtk_to_numpy(imageData.GetPointData().GetScalars()).reshape(shape))
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(matrix)
    directions = slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
    image.SetSpacing(volumeNode.GetSpacing())
    image.SetOrigin((LPS_FROM_RAS @ volumeNode.GetOrigin()).tolist())
    image.SetDirection((LPS_FROM_RAS @ directions).ravel().tolist())
    return image


def orientedImage(image: sitk.Image) -> slicer.vtkOrientedImageData:
    """Return a copy of an image as VTK image data that carries its geometry."""
    oriented = slicer.vtkOrientedImageData()
    _copyVoxels(image, oriented)
    oriented.SetSpacing(image.GetSpacing())
    oriented.SetOrigin((LPS_FROM_RAS @ image.GetOrigin()).tolist())
    oriented.SetDirectionMatrix(_directionsInRAS(image))
    return oriented


def volumeFromImage(image: sitk.Image) -> slicer.vtkMRMLScalarVolumeNode:
    """Return a copy of an image as a scalar volume node that is in no scene."""
    imageData = vtk.vtkImageData()
    _copyVoxels(image, imageData)
    volumeNode = slicer.vtkMRMLScalarVolumeNode()
    volumeNode.SetAndObserveImageData(imageData)
    volumeNode.SetSpacing(image.GetSpacing())
    volumeNode.SetOrigin((LPS_FROM_RAS @ image.GetOrigin()).tolist())
    volumeNode.SetIJKToRASDirectionMatrix(_directionsInRAS(image))
    return volumeNode


def _copyVoxels(image: sitk.Image, imageData: vtk.vtkImageData) -> None:
    scalars = numpy_to_vtk(sitk.GetArrayFromImage(image).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    imageData.SetDimensions(image.GetSize())
    imageData.GetPointData().SetScalars(scalars)


def _directionsInRAS(image: sitk.Image) -> vtk.vtkMatrix4x4:
    matrix = np.eye(4)
    matrix[:3, :3] = LPS_FROM_RAS @ np.array(image.GetDirection()).reshape(3, 3)
    return slicer.util.vtkMatrixFromArray(matrix)
