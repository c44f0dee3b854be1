"""The panel's settings, kept in a parameter node so that they are saved with the scene."""

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class CLSTMSegmentParameterNode:
    """One attribute a setting.

    Attributes:
        model: a bundled model's name, or the folder or .pth file of another.
        frames: "all", "current" or "range".
        firstFrame, lastFrame, frameStep: the range, both ends included.
        tile: "D,H,W", or empty for automatic.
        time: "carry", "window" or "reset", or empty for the model's own rule; `window` in frames.
        prime: frames; -1 for the model's own.
    """

    inputSequence: slicer.vtkMRMLSequenceNode
    model: str = "cardiac-cine-lv"
    outputSequence: slicer.vtkMRMLSequenceNode
    frames: str = "all"
    firstFrame: int = 0
    lastFrame: int = 0
    frameStep: int = 1
    roi: slicer.vtkMRMLMarkupsROINode
    device: str = "auto"
    tile: str = ""
    overlap: float = 0.25
    time: str = ""
    window: int = 5
    prime: int = -1
