"""The phantom heart as a sequence in a scene, with a browser that plays it."""

import slicer

from ..phantoms.heart import heart_sequence
from .images import volumeFromImage


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
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Phantom heart")
    sequenceNode.SetIndexName("time")
    sequenceNode.SetIndexUnit("ms")
    for frame in cine:
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), frame.index_value)
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Phantom heart browser")
    browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
    browserNode.GetProxyNode(sequenceNode).CreateDefaultDisplayNodes()
    return sequenceNode
