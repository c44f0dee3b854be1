"""Frames that a program made and the user has not changed since; all others are the user's own.

A sequence keeps for each frame that a program made who made it, and what it held then. A frame that the user corrects
holds something else, whenever and with whatever module it was corrected, also in a scene that was saved and loaded.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import slicer

from ..core.boxes import bounding_box
from .frame_reviews import BAD, GOOD, frameReviews
from .labelmaps import gridOf, segmentsOf, voxelsOf

MODEL, PROPAGATED, FLAGGED = "model", "propagated", "flagged"
"""Who made a frame: a model, or a propagation, which flags frames that may be wrong."""

GRID_DIGITS = 3
"""Digits of a grid in mm that count: more of them may change when a scene is saved and loaded."""

MADE_ATTRIBUTE = "CLSTMSegment.made"
"""Attribute of a segmentation sequence: maker and content of the frames by index value, as JSON."""


def rememberMade(sequenceNode: slicer.vtkMRMLSequenceNode, makers: Mapping[str, str]) -> None:
    """Remember that programs have made frames as they are now.

    Args:
        sequenceNode: a sequence of segmentations.
        makers: `MODEL`, `PROPAGATED` or `FLAGGED` by the index value of each frame.
    """
    made = _made(sequenceNode)
    for value, maker in makers.items():
        made[value] = [maker, frameContent(sequenceNode.GetDataNodeAtValue(value))]
    sequenceNode.SetAttribute(MADE_ATTRIBUTE, json.dumps(made))


def rememberEmptied(sequenceNode: slicer.vtkMRMLSequenceNode, value: str) -> None:
    """Remember that the user removed everything from the frame at an index value: it differs from what was made."""
    sequenceNode.SetAttribute(MADE_ATTRIBUTE, json.dumps(_made(sequenceNode) | {value: [PROPAGATED, ""]}))


def copyMade(fromNode: slicer.vtkMRMLSequenceNode, toNode: slicer.vtkMRMLSequenceNode) -> None:
    """Copy what `rememberMade` keeps to a sequence that gets the same frames."""
    toNode.SetAttribute(MADE_ATTRIBUTE, fromNode.GetAttribute(MADE_ATTRIBUTE))


def madeFrames(sequenceNode: slicer.vtkMRMLSequenceNode) -> dict[str, str]:
    """Return the maker by index value, for each frame that is as it was made."""
    nodes = {value: sequenceNode.GetDataNodeAtValue(value) for value in _made(sequenceNode)}
    return {
        value: maker
        for value, (maker, content) in _made(sequenceNode).items()
        if nodes[value] is not None and frameContent(nodes[value]) == content
    }


def changedFrames(sequenceNode: slicer.vtkMRMLSequenceNode) -> set[str]:
    """Return the index values of the frames that a program made, and that the user has changed since."""
    return set(_made(sequenceNode)) - set(madeFrames(sequenceNode))


def isPropagated(sequenceNode: slicer.vtkMRMLSequenceNode) -> bool:
    """Return whether a sequence is the result of a propagation."""
    return any(maker in (PROPAGATED, FLAGGED) for maker, _content in _made(sequenceNode).values())


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
    count = sequenceNode.GetNumberOfDataNodes()
    return {sequenceNode.GetNthIndexValue(n): frameContent(sequenceNode.GetNthDataNode(n)) for n in range(count)}


def frameContent(node: slicer.vtkMRMLSegmentationNode) -> str:
    """Return a short text that is the same for two segmentations of a frame that are drawn alike.

    The same segments by ID and name are then drawn in the same voxels at the same places.
    """
    digest = blake2b(digest_size=8)
    for segmentID, segment in sorted(segmentsOf(node), key=lambda one: one[0]):
        voxels, corner = voxelsOf(segment)
        box = bounding_box(voxels)
        if box is None:
            continue
        place = [first + start for first, (start, _stop) in zip(corner, box, strict=True)]
        drawn = voxels[tuple(slice(*edge) for edge in box)]
        grid = gridOf(segment).round(GRID_DIGITS) + 0.0  # no -0.0
        digest.update(f"{segmentID} {segment.GetName()} {place} {drawn.shape} {grid.tolist()}".encode())
        digest.update(np.packbits(drawn).tobytes())
    return digest.hexdigest()


def _made(sequenceNode: slicer.vtkMRMLSequenceNode) -> dict[str, list[str]]:
    try:
        made = json.loads(sequenceNode.GetAttribute(MADE_ATTRIBUTE) or "{}")
        return {value: [maker, content] for value, (maker, content) in made.items()}
    except (ValueError, TypeError, AttributeError):  # a scene that was changed by hand
        return {}
