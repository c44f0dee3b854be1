"""Index values that the user has changed since a result was made, for instance from milliseconds to seconds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import slicer

from ..core.sequence import SequenceIndex
from .made_frames import frameIdentities, rememberedFrames


def indexNow(
    index: SequenceIndex,
    nodes: Mapping[int, slicer.vtkMRMLNode | None],
    sequenceNode: slicer.vtkMRMLSequenceNode,
    inputValues: list[str],
) -> SequenceIndex:
    """Return the index of a run with the index values, the name and the unit that its result has now.

    Args:
        index: the index of the run, as it was.
        nodes: the segmentations by the numbers of their frames: a frame is known by its node.
        sequenceNode: the result.
        inputValues: the index values of the input now; they tell those of the frames that were not segmented, if the
            user has changed both sequences alike.
    """
    now = dict(zip(_nodesOf(sequenceNode), _valuesOf(sequenceNode), strict=True))
    found = {number: now[node] for number, node in nodes.items() if node in now}
    values = [found.get(number, value) for number, value in enumerate(index.values)]
    if len(inputValues) == len(values) and all(inputValues[number] == value for number, value in found.items()):
        values = inputValues
    return replace(index, values=values, name=sequenceNode.GetIndexName(), unit=sequenceNode.GetIndexUnit())


def valuesNow(
    before: Sequence[str], identities: Sequence[str], sequenceNode: slicer.vtkMRMLSequenceNode
) -> list[str | None]:
    """Return the index values that the frames of a result have now.

    A frame that was removed keeps its value; it has None where another frame has this value now. Without identities,
    as many missing values as there are other ones of segmented frames belong to the same frames in this order.

    Args:
        before: the index values that the frames had.
        identities: the identities that they had then, see `made_frames.frameIdentities`; an older table has none.
        sequenceNode: the result.
    """
    there = frameIdentities(sequenceNode)
    if len(identities) != len(before):
        return _renamedInOrder(before, sequenceNode)
    frames = list(zip(before, identities, strict=True))
    were, are = Counter(identities), Counter(there.values())
    moved = {identity: value for value, identity in there.items() if identity and were[identity] == are[identity] == 1}
    found = {value: value for value, identity in frames if there.get(value) == identity}
    found |= {value: moved[identity] for value, identity in frames if value not in found and identity in moved}
    taken = set(found.values())
    return [found.get(value, None if value in taken else value) for value in before]


def areThere(before: Sequence[str], identities: Sequence[str], sequenceNode: slicer.vtkMRMLSequenceNode) -> bool:
    """Return whether no other frames have the index values that frames of a result had; see `valuesNow`."""
    there = frameIdentities(sequenceNode)
    return len(identities) != len(before) or all(
        there.get(value, identity) == identity for value, identity in zip(before, identities, strict=True)
    )


def _renamedInOrder(before: Sequence[str], sequenceNode: slicer.vtkMRMLSequenceNode) -> list[str]:
    now = _valuesOf(sequenceNode)
    known, there = set(before), set(now)
    missing = [value for value in before if value not in there]
    if not missing:
        return list(before)
    segmented = rememberedFrames(sequenceNode)
    other = [value for value in now if value in segmented and value not in known]
    new = dict(zip(missing, other, strict=True)) if len(missing) == len(other) else {}
    return [new.get(value, value) for value in before]


def _nodesOf(sequenceNode: slicer.vtkMRMLSequenceNode) -> list[slicer.vtkMRMLNode]:
    return [sequenceNode.GetNthDataNode(number) for number in range(sequenceNode.GetNumberOfDataNodes())]


def _valuesOf(sequenceNode: slicer.vtkMRMLSequenceNode) -> list[str]:
    return [sequenceNode.GetNthIndexValue(number) for number in range(sequenceNode.GetNumberOfDataNodes())]
