"""Outputs that need no network: the true labels of the phantom as the result of a run; and where segments are."""

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.scene.images import LPS_FROM_RAS
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.outputs import SegmentationOutput
from conftest import smallModel

VENTRICLE = {
    "category": ["SCT", "123037004", "Anatomical Structure"],
    "type": ["SCT", "87878005", "Left ventricle"],
}
MODEL = smallModel(
    segments=(
        Segment("inner", "Inner", (1.0, 0.0, 0.0), VENTRICLE, ejecting_chamber=True),
        Segment("outer", "Outer ü", (0.0, 1.0, 0.0)),
    )
)


def segmentedFrames(sequenceNode, phantom, numbers=range(6)):
    """Return frames of the phantom with its true labels, at the index values of a sequence."""
    return [SegmentedFrame(n, sequenceNode.GetNthIndexValue(n), phantom[1][n]) for n in numbers]


def finishedOutput(sequenceNode, phantom, numbers=range(6)):
    """Return an output with these frames that is not yet in the scene."""
    output = SegmentationOutput(MODEL, resolveInput(sequenceNode))
    for frame in segmentedFrames(sequenceNode, phantom, numbers):
        output.add(frame)
    return output


def positionsOfSegment(segmentationNode, segmentID):
    """Return the RAS positions of the voxels of a segment, (N, 3)."""
    labelmap = slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentID, labelmap)
    extent = labelmap.GetExtent()
    shape = [extent[2 * a + 1] - extent[2 * a] + 1 for a in (2, 1, 0)]
    if 0 in shape:
        return np.zeros((0, 3))
    values = vtk.util.numpy_support.vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(shape)
    indices = np.argwhere(values > 0)[:, ::-1] + np.array(extent[::2])
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    homogeneous = np.c_[indices, np.ones(len(indices))] @ slicer.util.arrayFromVTKMatrix(matrix).T
    return homogeneous[:, :3]


def positionsOfLabel(labels, value):
    """Return the RAS positions of the voxels of an image that have a value, (N, 3)."""
    indices = np.argwhere(sitk.GetArrayViewFromImage(labels) == value)[:, ::-1]
    steps = np.array(labels.GetDirection()).reshape(3, 3) * labels.GetSpacing()
    return (indices @ steps.T + labels.GetOrigin()) @ LPS_FROM_RAS


def samePositions(a, b):
    """Return whether two arrays have the same positions, in any order."""
    return a.shape == b.shape and np.allclose(a[np.lexsort(a.round(3).T)], b[np.lexsort(b.round(3).T)], atol=1e-3)
