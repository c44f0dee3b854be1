"""MRML without the Slicer application: what its start-up does that slicer-core leaves undone, and saving."""

from pathlib import Path

import slicer

from ..core.errors import InputError
from ..io.image_files import decimal_point


def registerConverters() -> None:
    """Make binary labelmaps known to segmentations, as Slicer's Segmentations module does at start-up."""
    factory = slicer.vtkSegmentationConverterFactory.GetInstance()
    factory.RegisterConverterRule(slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule())


def writeSequence(sequenceNode: slicer.vtkMRMLSequenceNode, path: Path) -> None:
    """Write a sequence node as .seq.mrb, which Slicer opens.

    Raises:
        InputError: the file cannot be written.
    """
    scene = slicer.vtkMRMLScene()
    storageNode = scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
    storageNode.SetFileName(str(path))
    with decimal_point():
        written = storageNode.WriteData(sequenceNode)
    if not written:
        messages = storageNode.GetUserMessages().GetAllMessagesAsString().strip()
        raise InputError(f"{path} cannot be written: {messages or 'MRML gave no reason'}")
