"""What the user thinks of the frames of a result: good or bad; it is saved with the scene."""

import json
from collections.abc import Mapping

import slicer

from .browsers import othersStay
from .json_attributes import isDict, jsonIn

GOOD, BAD = "good", "bad"

REVIEWS_ATTRIBUTE = "CLSTMSegment.reviews"
"""Attribute of a segmentation sequence: the marks by index value, as JSON."""


def frameReviews(sequenceNode: slicer.vtkMRMLSequenceNode) -> dict[str, str]:
    """Return `GOOD` or `BAD` by index value; a frame that the user has not marked is missing."""
    marks = jsonIn(sequenceNode, REVIEWS_ATTRIBUTE, isDict) or {}
    return {value: mark for value, mark in marks.items() if mark in (GOOD, BAD)}


def reviewFrame(sequenceNode: slicer.vtkMRMLSequenceNode, indexValue: str, mark: str) -> None:
    """Mark a frame as `GOOD` or `BAD`; to mark it again with the same mark removes it."""
    marks = frameReviews(sequenceNode)
    if marks.get(indexValue) == mark:
        del marks[indexValue]
    else:
        marks[indexValue] = mark
    with othersStay(sequenceNode):
        sequenceNode.SetAttribute(REVIEWS_ATTRIBUTE, json.dumps(marks))


def renameReviews(sequenceNode: slicer.vtkMRMLSequenceNode, new: Mapping[str, str | None]) -> None:
    """Let the marks follow frames that have got other index values.

    Args:
        sequenceNode: the result.
        new: the new index value of a frame by the former one; None for a frame that is gone, whose mark goes, too.
    """
    marks = frameReviews(sequenceNode)
    if not new.keys().isdisjoint(marks):
        marks = {now: mark for value, mark in marks.items() if (now := new.get(value, value)) is not None}
        with othersStay(sequenceNode):
            sequenceNode.SetAttribute(REVIEWS_ATTRIBUTE, json.dumps(marks))
