"""The region of interest of a run: a markups ROI as a box in the coordinates of the input, and a new one around it."""

import numpy as np
import slicer
import vtk

from ..core.errors import InputError
from ..engine.region import Region
from .browsers import browserOfProxy
from .images import LPS_FROM_RAS
from .inputs import SequenceInput


def regionFromROI(roiNode: slicer.vtkMRMLMarkupsROINode, proxyNode: slicer.vtkMRMLVolumeNode | None) -> Region:
    """Return a markups ROI as a box in the coordinates of the input's frames.

    Args:
        roiNode: the ROI.
        proxyNode: proxy volume of the input, whose parent transform counts; None for an input without a browser.

    Raises:
        InputError: the node is not a markups ROI, its volume is 0, or the transform between ROI and image is nonlinear
            or shears the box.
    """
    if not roiNode.IsA("vtkMRMLMarkupsROINode"):
        raise InputError(f"{roiNode.GetName()!r} is not a markups ROI: create one in the Markups module")
    fromNode, toNode = roiNode.GetParentTransformNode(), proxyNode.GetParentTransformNode() if proxyNode else None
    linear = vtk.vtkMatrix4x4()
    if not slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(fromNode, toNode, linear):
        raise InputError(
            f"ROI {roiNode.GetName()!r} or the image is under a nonlinear transform: harden the transform first"
        )
    objectToNode = slicer.util.arrayFromVTKMatrix(roiNode.GetObjectToNodeMatrix())
    box = slicer.util.arrayFromVTKMatrix(linear) @ objectToNode
    scales = np.linalg.norm(box[:3, :3], axis=0)
    axes = (LPS_FROM_RAS @ (box[:3, :3] / scales)).T
    if not np.allclose(axes @ axes.T, np.eye(3), atol=1e-4):
        raise InputError(f"ROI {roiNode.GetName()!r} is sheared by its transform: harden or remove the transform")
    size = np.array(roiNode.GetSize()) * scales
    return Region(tuple((LPS_FROM_RAS @ box[:3, 3]).tolist()), tuple(size.tolist()), tuple(map(tuple, axes.tolist())))


def regionOfRun(roiNode: slicer.vtkMRMLMarkupsROINode, source: SequenceInput) -> Region:
    """Return a markups ROI as a box that is the same in the coordinates of all frames of an input.

    Raises:
        InputError: see `regionFromROI`; or the transform between ROI and image differs from frame to frame.
    """
    above = _transforms(source.proxyNode.GetParentTransformNode() if source.proxyNode is not None else None)
    moving = next((one for one in above if browserOfProxy(one) is not None), None)
    if not source.isSingle and moving is not None and moving not in _transforms(roiNode.GetParentTransformNode()):
        raise InputError(
            f"the image is under {moving.GetName()!r}, which differs from frame to frame, and ROI "
            f"{roiNode.GetName()!r} is not: put the ROI under the same transform, or harden it in all frames"
        )
    return regionFromROI(roiNode, source.proxyNode)


def _transforms(transformNode: slicer.vtkMRMLTransformNode | None) -> list[slicer.vtkMRMLTransformNode]:
    """Return a transform and all transforms that it is under; none for None."""
    return [transformNode, *_transforms(transformNode.GetParentTransformNode())] if transformNode is not None else []


def roiAround(source: SequenceInput) -> slicer.vtkMRMLMarkupsROINode:
    """Add a ROI to the scene that encloses the first frame exactly and moves with the input's proxy."""
    sequenceNode = source.sequenceNode
    volumeNode = sequenceNode.GetNthDataNode(0)
    ijkToRAS = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToRAS)
    matrix = slicer.util.arrayFromVTKMatrix(ijkToRAS)
    dimensions = np.array(volumeNode.GetImageData().GetDimensions())
    spacing = np.array(volumeNode.GetSpacing())
    box = np.eye(4)
    box[:3, :3] = matrix[:3, :3] / spacing
    box[:3, 3] = (matrix @ [*(dimensions - 1) / 2, 1])[:3]
    roiNode = source.node.GetScene().AddNewNodeByClass("vtkMRMLMarkupsROINode", f"{sequenceNode.GetName()} region")
    roiNode.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(box))
    roiNode.SetSize(*(dimensions * spacing))
    if source.proxyNode is not None:
        roiNode.SetAndObserveTransformNodeID(source.proxyNode.GetTransformNodeID())
    return roiNode
