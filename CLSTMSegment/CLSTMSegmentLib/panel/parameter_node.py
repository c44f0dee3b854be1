"""The panel's settings, kept in a parameter node so that they are saved with the scene."""

from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

FrameNumber = Annotated[int, WithinRange(0, 99999)]
"""Bounds are given here: without, binding a spin box to a parameter would lift those of the .ui."""


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
        annotationSequence: what is taught; teachFrom: model to begin with, empty for none.
    """

    inputSequence: slicer.vtkMRMLSequenceNode
    model: str = "cardiac-cine-lv"
    outputSequence: slicer.vtkMRMLSequenceNode
    frames: str = "all"
    firstFrame: FrameNumber = 0
    lastFrame: FrameNumber = 0
    frameStep: Annotated[int, WithinRange(1, 9999)] = 1
    roi: slicer.vtkMRMLMarkupsROINode
    device: str = "auto"
    tile: str = ""
    overlap: Annotated[float, WithinRange(0.0, 0.9)] = 0.25
    time: str = ""
    window: Annotated[int, WithinRange(1, 999)] = 5
    prime: Annotated[int, WithinRange(-1, 99)] = -1
    annotationSequence: slicer.vtkMRMLSequenceNode
    teachName: str = "My structure"
    teachFrom: str = ""
    teachMinutes: Annotated[float, WithinRange(0.1, 600.0)] = 8.0
