"""Attributes of nodes that hold JSON: a scene may have been changed by hand, or damaged."""

import json
from collections.abc import Callable

import slicer


def jsonIn(node: slicer.vtkMRMLNode, attribute: str, fits: Callable[[object], bool]) -> object:
    """Return what an attribute of a node holds; None where it is missing, damaged or of another shape.

    Args:
        node: any node.
        attribute: name of the attribute.
        fits: returns whether a value has the shape that is expected.
    """
    try:
        value = json.loads(node.GetAttribute(attribute) or "null")
    except (ValueError, RecursionError):
        return None
    return value if fits(value) else None


def isTexts(value: object) -> bool:
    """Return whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def isDict(value: object) -> bool:
    """Return whether a value is a dict, whose keys are texts in JSON."""
    return isinstance(value, dict)
