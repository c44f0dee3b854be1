"""The phantom heart: as a sequence in a scene, with a browser that plays it, and as a file that Slicer loads."""

from pathlib import Path

import slicer

from ..core.sequence import SequenceIndex
from ..io.sequence_nrrd import write_sequence
from ..phantoms.heart import heart_sequence
from .images import volumeFromImage

NAME = "Phantom heart"
INDEX_NAME, INDEX_UNIT = "time", "ms"


def addHeartPhantom(scene: slicer.vtkMRMLScene, seed: int, frames: int = 20) -> slicer.vtkMRMLSequenceNode:
    """Add a beating phantom heart to a scene, with a browser that plays it.

    Args:
        scene: the scene.
        seed: seed of the anatomy; another seed gives another heart.
        frames: number of frames in the heartbeat.

    Returns:
        The sequence of scalar volumes, indexed by time in ms.
    """
    cine, _ = heart_sequence(seed, frames)
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", NAME)
    sequenceNode.SetIndexName(INDEX_NAME)
    sequenceNode.SetIndexUnit(INDEX_UNIT)
    for frame in cine:
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), frame.index_value)
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{NAME} browser")
    browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
    browserNode.GetProxyNode(sequenceNode).CreateDefaultDisplayNodes()
    return sequenceNode


def writeHeartPhantom(path: Path, seed: int) -> None:
    """Write a beating phantom heart of 20 frames as a .seq.nrrd file."""
    cine, _ = heart_sequence(seed)
    index = SequenceIndex([frame.index_value for frame in cine], INDEX_NAME, INDEX_UNIT)
    write_sequence(path, index, [frame.image for frame in cine])
