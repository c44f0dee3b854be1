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
    region = regionFromROI(roiNode, source.proxyNode)
    ofImage = _moving(source.proxyNode) if source.proxyNode is not None and not source.isSingle else []
    ofROI = [*([roiNode] if browserOfProxy(roiNode) is not None else []), *_moving(roiNode)]
    others = [one for one in [*ofROI, *ofImage] if (one in ofROI) != (one in ofImage)]
    if others and not source.isSingle:
        raise InputError(
            f"{others[0].GetName()!r} differs from frame to frame, so that ROI {roiNode.GetName()!r} lies elsewhere in "
            "the image of each frame: put image and ROI under the same transform, or harden it in all frames"
        )
    return region


def _moving(node: slicer.vtkMRMLTransformableNode) -> list[slicer.vtkMRMLTransformNode]:
    """Return the transforms above a node that a browser changes from frame to frame."""
    above = node.GetParentTransformNode()
    if above is None:
        return []
    return [*([above] if browserOfProxy(above) is not None else []), *_moving(above)]


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
