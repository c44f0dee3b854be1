"""Results that are in the scene already, such as those of a scene that was loaded, with the volumes in their tables."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import slicer

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from ..core.structure import PALETTE, Segment, SegmentSet
from ..core.volume_curve import FrameVolumes
from .browsers import browserOfSequence
from .inputs import SequenceInput, holds, resolveInput, singleInput
from .made_frames import rememberedFrames
from .outputs import SegmentationOutput
from .single_output import outputFor
from .volumes_table import INDEX_VALUES_ATTRIBUTE, SEGMENTS_ATTRIBUTE, rowsOf, tableOf, textsIn


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


def _output(node: slicer.vtkMRMLNode, tableNode: slicer.vtkMRMLTableNode) -> SegmentationOutput:
    """Return a result; raise an InputError if its input is missing, or the table does not have its frames."""
    source = _sourceOf(node)
    segments = _segments(tableNode)
    output = outputFor(SegmentSet(node.GetName(), segments), source)
    rows, table = _rowsByValue(tableNode, node, output.curve.index), tableNode.GetTable()
    if not segments or sorted(rows.values()) != list(range(table.GetNumberOfRows())):
        raise InputError(f"the table of {node.GetName()!r} has other rows than those of its frames")
    output.curve.index = _withRows(output.curve.index, list(rows))
    frames = [
        FrameVolumes(
            output.curve.index.values.index(value),
            value,
            tuple(table.GetValueByName(row, segment.name).ToDouble() for segment in segments),
        )
        for value, row in rows.items()
    ]
    output.takeOver(node, tableNode, sorted(frames, key=lambda frame: frame.number))
    return output


def _rowsByValue(tableNode: slicer.vtkMRMLTableNode, node: slicer.vtkMRMLNode, index: SequenceIndex) -> dict[str, int]:
    """Return the rows of a table by index value; the user may have removed or sorted some.

    An older table does not tell its index values: its rows are the frames of the result that were segmented, and not
    those that the user drew in other frames.
    """
    values = textsIn(tableNode, INDEX_VALUES_ATTRIBUTE)
    if not values:
        measured = rememberedFrames(node)
        values = [value for value in index.values if value in measured]
    return {value: row for value, row in zip(values, rowsOf(tableNode, values), strict=True) if row is not None}


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


def _segments(tableNode: slicer.vtkMRMLTableNode) -> tuple[Segment, ...]:
    """Return the segments of the columns of a table; none if it does not tell their IDs."""
    names = [tableNode.GetColumnName(column) for column in range(1, tableNode.GetNumberOfColumns())]
    columns = zip(textsIn(tableNode, SEGMENTS_ATTRIBUTE), names, strict=False)  # that of frame numbers may follow
    return tuple(Segment(ID, name, PALETTE[0]) for ID, name in columns)
