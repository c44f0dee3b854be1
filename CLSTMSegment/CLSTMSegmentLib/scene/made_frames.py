"""Frames that a program made and the user has not changed since; all others are the user's own.

The segmentation of each frame that a program made keeps who made it, and what it held then, also in files. The result
of a single volume is itself its only frame. A frame that the user corrects holds something else, whenever and with
whatever module it was corrected.
"""

import json
from hashlib import blake2b
from zlib import crc32

import numpy as np
import slicer
import vtk

from ..core.boxes import bounding_box
from .frame_reviews import BAD, GOOD, frameReviews
from .inputs import SINGLE_VALUE
from .json_attributes import isTexts, jsonIn
from .labelmaps import drawnSegments, gridOf, segmentsOf, voxelsOf

MODEL, PROPAGATED, FLAGGED = "model", "propagated", "flagged"
"""Who made a frame: a model, or a propagation, which flags frames that may be wrong."""

DRAWN = "drawn"
"""In the place of a maker: the user drew the frame, which counts as changed from then on, also if it is emptied."""

GRID_TOLERANCE_MM = 0.01
"""A grid that was saved and loaded may differ by less than this."""

STATUS_TAG = "Segmentation.Status"
"""Tag of a segment with what Segment Editor calls its status, such as completed."""

MADE_ATTRIBUTE = "CLSTMSegment.made"
"""Attribute of the segmentation of a frame, not of its sequence, because a sequence saved alone loses its attributes:
maker, voxels and grids, as JSON."""


def rememberMade(node: slicer.vtkMRMLSegmentationNode, maker: str) -> None:
    """Remember that a program has made a frame as it is now.

    Args:
        node: the segmentation of the frame.
        maker: `MODEL`, `PROPAGATED` or `FLAGGED`.
    """
    voxels, grids = _drawing(node)
    node.SetAttribute(MADE_ATTRIBUTE, json.dumps([maker, voxels, grids.round(6).tolist()]))


def rememberDrawn(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Remember that the user drew a frame of a result."""
    node.SetAttribute(MADE_ATTRIBUTE, json.dumps([DRAWN, "", []]))


def madeFrames(resultNode: slicer.vtkMRMLNode) -> dict[str, str]:
    """Return the maker by index value, for each frame that is as it was made."""
    frames = _frames(resultNode)
    return {value: maker for value, (maker, *_kept) in _made(resultNode).items() if isAsMade(frames[value])}


def isAsMade(node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Return whether the segmentation of a frame is as a program made it."""
    kept = jsonIn(node, MADE_ATTRIBUTE, _isMade)
    return kept is not None and kept[0] != DRAWN and _isSameDrawing(_drawing(node), *kept[1:])


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


def rememberedFrames(resultNode: slicer.vtkMRMLNode) -> set[str]:
    """Return the index values of all frames of a result that were segmented, whether they are as they were or not."""
    return set(_made(resultNode))


def frameIdentities(resultNode: slicer.vtkMRMLNode) -> dict[str, str]:
    """Return a text for each frame of a result, by index value, which stays when the frame is edited or moved.

    It is empty for a frame that the user added, and the same for frames that were made alike.
    """
    kept = {value: node.GetAttribute(MADE_ATTRIBUTE) or "" for value, node in _frames(resultNode).items()}
    return {value: f"{crc32(text.encode()):x}" if text else "" for value, text in kept.items()}


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


def frameContents(resultNode: slicer.vtkMRMLNode) -> dict[str, str]:
    """Return what `frameContent` returns for each frame of a result, with the user's mark, by index value."""
    reviews = frameReviews(resultNode)
    return {value: frameContent(node) + reviews.get(value, "") for value, node in _frames(resultNode).items()}


def frameContent(node: slicer.vtkMRMLSegmentationNode) -> str:
    """Return a text that is the same for two segmentations of a frame that are drawn alike.

    They have the same segments by ID, name, colour, terminology and status, which are drawn in the same voxels of the
    same grids, and the same description and attributes.
    """
    voxels, grids = _drawing(node)
    return f"{voxels} {grids.tolist()} {frameNotes(node)}"


def frameNotes(node: slicer.vtkMRMLSegmentationNode) -> str:
    """Return what `frameContent` returns, but for the voxels: it is quick to compute."""
    segments = [
        (segmentID, segment.GetName(), segment.GetColor(), _tags(segment)) for segmentID, segment in segmentsOf(node)
    ]
    attributes = [(name, node.GetAttribute(name)) for name in sorted(node.GetAttributeNames())]
    return f"{segments} {node.GetDescription()} {attributes}"


def isDrawnAs(node: slicer.vtkMRMLSegmentationNode, other: slicer.vtkMRMLSegmentationNode) -> bool:
    """Return whether the same voxels of the same segments are drawn in two segmentations, whatever else they have."""
    return _isSameDrawing(_drawing(node), *_drawing(other))


def _tags(segment: slicer.vtkSegment) -> list[str]:
    """Return the terminology and the status of a segment; other tags cannot be listed."""
    tags = []
    for name in (segment.GetTerminologyEntryTagName(), STATUS_TAG):
        value = vtk.mutable("")
        segment.GetTag(name, value)
        tags.append(str(value))
    return tags


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


def _isSameDrawing(drawing: tuple[str, np.ndarray], voxels: str, kept: list | np.ndarray) -> bool:
    """Return whether a drawing is the one that was kept, but for the digits that its grids lose in files."""
    digest, grids = drawing
    same = digest == voxels and grids.shape == np.shape(kept)
    return same and np.allclose(grids, kept, rtol=0, atol=GRID_TOLERANCE_MM)


def _made(resultNode: slicer.vtkMRMLNode) -> dict[str, tuple[str, str, list]]:
    """Return what is kept of each frame, by index value."""
    found = {}
    for value, node in _frames(resultNode).items():
        kept = jsonIn(node, MADE_ATTRIBUTE, _isMade)
        if kept is not None:  # the user did not draw the frame before it was segmented
            found[value] = tuple(kept)
    return found


def _isMade(value: object) -> bool:
    """Return whether a value has the shape of what `rememberMade` and `rememberDrawn` keep."""
    if not isinstance(value, list) or len(value) != 3:
        return False
    maker, voxels, grids = value
    if not isinstance(grids, list) or not isTexts([maker, voxels]):
        return False
    try:
        array = np.asarray(grids)
        return grids == [] or (array.dtype.kind in "if" and array.shape[1:] == (4, 4))
    except (ValueError, OverflowError):  # rows of different lengths, or no numbers that there can be
        return False
