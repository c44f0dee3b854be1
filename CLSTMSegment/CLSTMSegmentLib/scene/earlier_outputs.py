"""Results that are in the scene already, such as those of a scene that was loaded, with the volumes in their tables."""

import json
from collections.abc import Collection

import slicer

from ..core.errors import InputError
from ..core.structure import PALETTE, Segment, SegmentSet
from ..core.volume_curve import FrameVolumes
from .browsers import browserOfSequence
from .inputs import SequenceInput, resolveInput, singleInput
from .made_frames import rememberedFrames
from .outputs import SegmentationOutput
from .single_output import outputFor
from .volumes_table import SEGMENTS_ATTRIBUTE, TABLE_REFERENCE


def earlierOutputs(scene: slicer.vtkMRMLScene, known: Collection[slicer.vtkMRMLNode]) -> list[SegmentationOutput]:
    """Return an output for each result in a scene, except for the known ones.

    A result without the input and the table that it had is no result any more.
    """
    outputs = []
    for nodeClass in ("vtkMRMLSequenceNode", "vtkMRMLSegmentationNode"):
        for node in slicer.util.getNodesByClass(nodeClass, scene):
            tableNode = node.GetNodeReference(TABLE_REFERENCE)
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
    measured = rememberedFrames(node)  # not those that the user drew in frames that were not segmented
    values = [(number, value) for number, value in enumerate(output.curve.index.values) if value in measured]
    table = tableNode.GetTable()
    if not segments or len(values) != table.GetNumberOfRows():
        raise InputError(f"the table of {node.GetName()!r} does not have its frames")
    frames = [
        FrameVolumes(number, value, tuple(table.GetValueByName(row, segment.name).ToDouble() for segment in segments))
        for row, (number, value) in enumerate(values)
    ]
    output.takeOver(node, tableNode, frames)
    return output


def _sourceOf(node: slicer.vtkMRMLNode) -> SequenceInput:
    """Return the input of a result; of a single volume, which is not needed, what has as many frames."""
    if node.IsA("vtkMRMLSequenceNode"):
        return resolveInput(browserOfSequence(node))
    return singleInput(node, slicer.vtkMRMLScalarVolumeNode())


def _segments(tableNode: slicer.vtkMRMLTableNode) -> tuple[Segment, ...]:
    """Return the segments of the columns of a table; none if it does not tell their IDs."""
    names = [tableNode.GetColumnName(column) for column in range(1, tableNode.GetNumberOfColumns())]
    IDs = json.loads(tableNode.GetAttribute(SEGMENTS_ATTRIBUTE) or "[]")
    columns = zip(IDs, names, strict=False)  # the column of frame numbers may follow
    return tuple(Segment(ID, name, PALETTE[0]) for ID, name in columns)
