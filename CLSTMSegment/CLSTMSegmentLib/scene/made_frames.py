"""Frames that a program made and the user has not changed since; all others are the user's own.

A sequence, or a segmentation that is the result of a single volume, keeps for each frame that a program made who made
it, and what it held then. A frame that the user corrects holds something else, whenever and with whatever module it was
corrected, also in a scene that was saved and loaded.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import slicer

from ..core.boxes import bounding_box
from .frame_reviews import BAD, GOOD, frameReviews
from .inputs import SINGLE_VALUE
from .labelmaps import drawnSegments, gridOf, segmentsOf, voxelsOf

MODEL, PROPAGATED, FLAGGED = "model", "propagated", "flagged"
"""Who made a frame: a model, or a propagation, which flags frames that may be wrong."""

DRAWN = "drawn"
"""In the place of a maker: the user drew the frame, which counts as changed from then on, also if it is emptied."""

GRID_TOLERANCE_MM = 0.01
"""A grid that was saved and loaded may differ by less than this."""

MADE_ATTRIBUTE = "CLSTMSegment.made"
"""Attribute of a segmentation sequence: maker, voxels and grids of the frames by index value, as JSON."""


def rememberMade(sequenceNode: slicer.vtkMRMLSequenceNode, makers: Mapping[str, str]) -> None:
    """Remember that programs have made frames as they are now.

    Args:
        sequenceNode: a sequence of segmentations.
        makers: `MODEL`, `PROPAGATED` or `FLAGGED` by the index value of each frame.
    """
    made = _made(sequenceNode)
    for value, maker in makers.items():
        voxels, grids = _drawing(sequenceNode.GetDataNodeAtValue(value))
        made[value] = [maker, voxels, grids.round(6).tolist()]
    sequenceNode.SetAttribute(MADE_ATTRIBUTE, json.dumps(made))


def rememberDrawn(sequenceNode: slicer.vtkMRMLSequenceNode, value: str) -> None:
    """Remember that the user drew the frame at an index value of a result."""
    sequenceNode.SetAttribute(MADE_ATTRIBUTE, json.dumps(_made(sequenceNode) | {value: [DRAWN, "", []]}))


def copyMade(fromNode: slicer.vtkMRMLSequenceNode, toNode: slicer.vtkMRMLNode) -> None:
    """Copy what `rememberMade` keeps to a sequence that gets the same frames, or to a segmentation that is the one."""
    toNode.SetAttribute(MADE_ATTRIBUTE, fromNode.GetAttribute(MADE_ATTRIBUTE))


def madeFrames(resultNode: slicer.vtkMRMLNode) -> dict[str, str]:
    """Return the maker by index value, for each frame that is as it was made."""
    frames = _frames(resultNode)
    return {
        value: maker
        for value, (maker, voxels, grids) in _made(resultNode).items()
        if maker != DRAWN and (node := frames.get(value)) is not None
        if _isSameDrawing(_drawing(node), voxels, grids)
    }


def drawnFrames(resultNode: slicer.vtkMRMLNode, emptied: bool = False) -> list[str]:
    """Return the index values of the frames in which something is drawn, and which the user drew or corrected.

    Args:
        resultNode: a sequence of segmentations, or a segmentation; no program needs to have made it.
        emptied: whether frames of a result count too that the user has drawn or changed, and in which nothing is left.
    """
    made, counted = madeFrames(resultNode), _made(resultNode) if emptied else {}
    return [
        value
        for value, node in _frames(resultNode).items()
        if value not in made and (value in counted or drawnSegments(node))
    ]


def drawings(resultNode: slicer.vtkMRMLNode | None) -> dict[str, str]:
    """Return the `frameContent` of the frames that the user drew or corrected, emptied ones too, by index value.

    Args:
        resultNode: a sequence of segmentations, or a segmentation; None has no frames.
    """
    if resultNode is None:
        return {}
    frames = _frames(resultNode)
    return {value: frameContent(frames[value]) for value in drawnFrames(resultNode, emptied=True)}


def _frames(node: slicer.vtkMRMLNode) -> dict[str, slicer.vtkMRMLSegmentationNode]:
    """Return the segmentations of a sequence by index value; a segmentation is its own only frame."""
    if not node.IsA("vtkMRMLSequenceNode"):
        return {SINGLE_VALUE: node}
    return {node.GetNthIndexValue(n): node.GetNthDataNode(n) for n in range(node.GetNumberOfDataNodes())}


def isPropagated(sequenceNode: slicer.vtkMRMLSequenceNode) -> bool:
    """Return whether a sequence is the result of a propagation."""
    return any(maker in (PROPAGATED, FLAGGED) for maker, _voxels, _grids in _made(sequenceNode).values())


def trustedFrames(sequenceNode: slicer.vtkMRMLSequenceNode) -> set[str]:
    """Return the index values of the propagated frames that are likely right: what the user thinks counts first."""
    reviews = frameReviews(sequenceNode)
    expected = {PROPAGATED: GOOD, FLAGGED: BAD}
    return {
        value
        for value, maker in madeFrames(sequenceNode).items()
        if maker in expected and reviews.get(value, expected[maker]) == GOOD
    }


def frameContents(sequenceNode: slicer.vtkMRMLSequenceNode) -> dict[str, str]:
    """Return what `frameContent` returns for each frame of a sequence of segmentations, by index value."""
    return {value: frameContent(node) for value, node in _frames(sequenceNode).items()}


def frameContent(node: slicer.vtkMRMLSegmentationNode) -> str:
    """Return a text that is the same for two segmentations of a frame that are drawn alike.

    The same segments by ID and name are then drawn in the same voxels of the same grids.
    """
    voxels, grids = _drawing(node)
    return f"{voxels} {grids.tolist()}"


def _drawing(node: slicer.vtkMRMLSegmentationNode) -> tuple[str, np.ndarray]:
    """Return a digest of the drawn voxels of all segments on their grids, and the different grids, (n, 4, 4)."""
    digest, grids = blake2b(digest_size=8), []
    for segmentID, segment in sorted(segmentsOf(node), key=lambda one: one[0]):
        voxels, corner = voxelsOf(segment)
        box = bounding_box(voxels)
        if box is None:
            continue
        place = [first + start for first, (start, _stop) in zip(corner, box, strict=True)]
        drawn = voxels[tuple(slice(*edge) for edge in box)]
        digest.update(f"{segmentID} {segment.GetName()} {place} {drawn.shape}".encode())
        digest.update(np.packbits(drawn).tobytes())
        grid = gridOf(segment)
        if not grids or not np.array_equal(grid, grids[-1]):
            grids.append(grid)
    return digest.hexdigest(), np.array(grids)


def _isSameDrawing(drawing: tuple[str, np.ndarray], voxels: str, kept: list) -> bool:
    """Return whether a drawing is the one that was kept, but for the digits that its grids lose in files."""
    digest, grids = drawing
    same = digest == voxels and grids.shape == np.shape(kept)
    return same and np.allclose(grids, kept, rtol=0, atol=GRID_TOLERANCE_MM)


def _made(node: slicer.vtkMRMLNode) -> dict[str, list]:
    try:
        made = json.loads(node.GetAttribute(MADE_ATTRIBUTE) or "{}")
        return {value: [maker, voxels, grids] for value, (maker, voxels, grids) in made.items()}
    except (ValueError, TypeError, AttributeError):  # a scene that was changed by hand
        return {}
