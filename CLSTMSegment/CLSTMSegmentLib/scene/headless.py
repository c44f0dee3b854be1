"""MRML without the Slicer application: registers what Slicer registers at start-up, and writes sequences to files."""

from functools import cache
from pathlib import Path

import slicer

from ..core.errors import StorageError
from ..io.image_files import decimal_point


@cache  # each further registration makes the segmentations of the process slower
def registerConverters() -> None:
    """Make binary labelmaps known to segmentations, as Slicer's Segmentations module does at start-up."""
    factory = slicer.vtkSegmentationConverterFactory.GetInstance()
    factory.RegisterConverterRule(slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule())


def writeSequence(sequenceNode: slicer.vtkMRMLSequenceNode, path: Path) -> None:
    """Write a sequence node as a .seq.mrb file, which Slicer opens.

    Raises:
        StorageError: the file cannot be written.
    """
    scene = slicer.vtkMRMLScene()
    storageNode = scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
    storageNode.SetFileName(str(path))
    with decimal_point():
        written = storageNode.WriteData(sequenceNode)
    if not written:
        messages = storageNode.GetUserMessages().GetAllMessagesAsString().strip()
        raise StorageError(f"{path.name} cannot be written: {messages or 'MRML gave no reason'}")
