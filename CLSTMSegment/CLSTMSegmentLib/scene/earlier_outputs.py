"""Results that are in the scene already, such as those of a scene that was loaded, with the volumes in their tables."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import nan

import slicer

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from ..core.structure import PALETTE, Segment, SegmentSet
from ..core.volume_curve import FrameVolumes
from .browsers import browserOfSequence
from .inputs import SequenceInput, holds, resolveInput, singleInput
from .made_frames import rememberedFrames
from .outputs import SegmentationOutput
from .renamed_frames import areThere, valuesNow
from .single_output import outputFor
from .volumes_table import (
    FRAMES_ATTRIBUTE,
    INDEX_VALUES_ATTRIBUTE,
    NAMES_ATTRIBUTE,
    SEGMENTS_ATTRIBUTE,
    filledWith,
    madeColumns,
    rowsOf,
    tableOf,
    textsIn,
)


def earlierOutputs(scene: slicer.vtkMRMLScene, known: Collection[slicer.vtkMRMLNode]) -> list[SegmentationOutput]:
    """Return an output for each result in a scene, except for the known ones.

    A result without the input and the table that it had is no result any more.
    """
    outputs = []
    for nodeClass in ("vtkMRMLSequenceNode", "vtkMRMLSegmentationNode"):
        for node in slicer.util.getNodesByClass(nodeClass, scene):
            tableNode = tableOf(node)
            if tableNode is None or node in known:
                continue
            try:
                outputs.append(_output(node, tableNode))
            except InputError:
                continue
    return outputs


def readAgain(output: SegmentationOutput) -> bool:
    """Read a result anew if another run has gone on with it or replaced it, or if frames have changed places.

    Returns:
        Whether the output is another one now.
    """
    tableNode = tableOf(output.outputNode)
    if tableNode is None or output.tableNode is None:
        return False
    if filledWith(tableNode) == output.tableContent and _hasItsFrames(tableNode, output.outputNode):
        return False
    try:
        output.becomes(_output(output.outputNode, tableNode, output))
    except InputError:
        return False
    return True


def _hasItsFrames(tableNode: slicer.vtkMRMLTableNode, node: slicer.vtkMRMLNode) -> bool:
    """Return whether no other frames of a result have the index values with which its table was filled."""
    return areThere(textsIn(tableNode, INDEX_VALUES_ATTRIBUTE), textsIn(tableNode, FRAMES_ATTRIBUTE), node)


def _output(
    node: slicer.vtkMRMLNode, tableNode: slicer.vtkMRMLTableNode, earlier: SegmentationOutput | None = None
) -> SegmentationOutput:
    """Return a result; raise an InputError if its input is missing, or its table does not tell its segments.

    Where the table was damaged in a file, or lacks columns of segments, the frames are measured at once.

    Args:
        node: the result.
        tableNode: its table.
        earlier: the result as it was before another run went on with it; None for a result that was not known.
    """
    output = outputFor(SegmentSet(node.GetName(), _segments(node, tableNode)), _sourceOf(node))
    table = tableNode.GetTable()
    before = _indexValues(tableNode, node, output.curve.index)
    identities = textsIn(tableNode, FRAMES_ATTRIBUTE)
    values = valuesNow(before, identities, node) if node.IsA("vtkMRMLSequenceNode") else before
    columns = [table.GetColumnByName(name) for name in madeColumns(tableNode)[1 : 1 + len(output.curve.segments)]]
    rows = [row if row in range(table.GetNumberOfRows()) else None for row in rowsOf(tableNode, before)]
    isWhole = None not in columns and {*rows, None} == {*range(table.GetNumberOfRows()), None}
    found = [
        (value, row)
        for value, row in zip(values, rows, strict=True)
        if value is not None and (row is not None or not isWhole)
    ]
    output.curve.index = _withRows(output.curve.index, [value for value, _row in found])
    frames = [
        FrameVolumes(
            output.curve.index.values.index(value),
            value,
            tuple(one.GetVariantValue(row).ToDouble() if None not in (one, row) else nan for one in columns),
        )
        for value, row in found
    ]
    output.takeOver(node, tableNode, sorted(frames, key=lambda frame: frame.number), earlier)
    if not isWhole or values != before or not _hasItsFrames(tableNode, node):
        output.measureAll(dict(zip(before, values, strict=True)))
    return output


def _indexValues(tableNode: slicer.vtkMRMLTableNode, node: slicer.vtkMRMLNode, index: SequenceIndex) -> list[str]:
    """Return the index values of the frames that a table was made of; the user may have removed or sorted its rows.

    An older table does not tell its index values: its rows are the frames of the result that were segmented, and not
    those that the user drew in other frames.
    """
    values = textsIn(tableNode, INDEX_VALUES_ATTRIBUTE)
    if values:
        return values
    measured = rememberedFrames(node)
    return [value for value in index.values if value in measured]


def _withRows(index: SequenceIndex, rows: Sequence[str]) -> SequenceIndex:
    """Return the index of the input with the values of all rows: the user may have removed frames from the input."""
    values, place = list(index.values), 0
    for value in rows:
        if value not in values:
            values.insert(place, value)
        place = values.index(value) + 1
    return replace(index, values=values)


def _sourceOf(node: slicer.vtkMRMLNode) -> SequenceInput:
    """Return the input of a result; of a single volume, which is not needed, what has as many frames."""
    if not node.IsA("vtkMRMLSequenceNode"):
        return singleInput(node, slicer.vtkMRMLScalarVolumeNode())
    browserNode = browserOfSequence(node)
    shown = browserNode.GetProxyNode(node) if browserNode is not None else None
    if shown is not None:  # the grid of what is shown is that of the input, which need not be the master of the browser
        imageNode = shown.GetNodeReference(shown.GetReferenceImageGeometryReferenceRole())
        sequenceNode = browserNode.GetSequenceNode(imageNode) if imageNode is not None else None
        if sequenceNode is not None and holds(sequenceNode, "vtkMRMLScalarVolumeNode"):
            return SequenceInput(sequenceNode, browserNode, imageNode)
    return resolveInput(browserNode)


def _segments(node: slicer.vtkMRMLNode, tableNode: slicer.vtkMRMLTableNode) -> tuple[Segment, ...]:
    """Return the segments of a table; raise an InputError if it does not tell them."""
    IDs, columns = textsIn(tableNode, SEGMENTS_ATTRIBUTE), madeColumns(tableNode)
    names = textsIn(tableNode, NAMES_ATTRIBUTE) or columns[1:]  # an older table has the names of the segments
    if not IDs or min(len(names), len(columns) - 1) < len(IDs):
        raise InputError(f"the table of {node.GetName()!r} does not tell its segments")
    return tuple(Segment(ID, name, PALETTE[0]) for ID, name in zip(IDs, names, strict=False))
