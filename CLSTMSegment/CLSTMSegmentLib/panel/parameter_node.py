"""The panel's settings, kept in a parameter node so that they are saved with the scene."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from ..core.boxes import read_shape
from ..core.errors import InputError
from ..engine.settings import DEFAULT_MODEL, RunSettings
from ..scene.inputs import SequenceInput
from ..scene.regions import regionFromROI, regionOfRun

FrameNumber = Annotated[int, WithinRange(0, 99999)]
"""Without bounds here, binding a spin box to a parameter would remove the bounds of the .ui file."""


@parameterNodeWrapper
class CLSTMSegmentParameterNode:
    """One attribute for each setting.

    Attributes:
        inputSequence, outputSequence, roi: None means no input, a new output, and the whole image. The input may be a
            single volume, and the output is then a segmentation.
        model: name of a bundled model, or the folder or `.pth` file of another model.
        frames: "all", "current" or "range".
        firstFrame, lastFrame, frameStep: the range, both ends included.
        device, precision: see `engine.settings.RunSettings`.
        tile: "D,H,W", or empty for the largest that fits.
        overlap: smallest fraction of its size that a tile shares with its neighbour.
        ramGB: limit of the RAM in GB; 0 for no limit.
        stateRule: "carry", "window" or "reset", or empty for the model's own rule.
        window: number of frames after which the recurrent state is emptied, for "window".
        warmUpFrames: number of frames that fill an empty recurrent state; -1 for the model's own number.
        annotationSequence: the annotation that is taught.
        cyclic: whether the first frame follows the last one, for a propagation.
        learnFromPropagated: whether a model is taught the propagated frames of the annotation too.
        ejectingChamber: whether the first annotated segment is a chamber that ejects blood.
        teachName: name of the new model.
        teachFrom: the model to begin with; empty to begin with random weights.
        teachMinutes: time that a teaching job may take.
        holdOutFrames: see `teaching.teaching_settings.TeachingSettings`.
        liveVolume: the volume that is segmented live.
    """

    inputSequence: slicer.vtkMRMLSequenceNode | slicer.vtkMRMLScalarVolumeNode | None
    model: str = DEFAULT_MODEL
    outputSequence: slicer.vtkMRMLSequenceNode | slicer.vtkMRMLSegmentationNode | None
    frames: str = "all"
    firstFrame: FrameNumber = 0
    lastFrame: FrameNumber = 0
    frameStep: Annotated[int, WithinRange(1, 9999)] = 1
    roi: slicer.vtkMRMLMarkupsROINode
    device: str = "auto"
    precision: str = "auto"
    tile: str = ""
    overlap: Annotated[float, WithinRange(0.0, 0.9)] = 0.25
    ramGB: Annotated[float, WithinRange(0.0, 9999.0)] = 0.0
    stateRule: str = ""
    window: Annotated[int, WithinRange(1, 999)] = 5
    warmUpFrames: Annotated[int, WithinRange(-1, 99)] = -1
    annotationSequence: slicer.vtkMRMLSequenceNode
    cyclic: bool = False
    learnFromPropagated: bool = False
    ejectingChamber: bool = False
    teachName: str = "My structure"
    teachFrom: str = ""
    teachMinutes: Annotated[float, WithinRange(0.1, 600.0)] = 8.0
    holdOutFrames: bool = True
    liveVolume: slicer.vtkMRMLScalarVolumeNode


def readEarlierNames(parameters: CLSTMSegmentParameterNode) -> None:
    """Take over the settings that an older scene has under their former names."""
    node = parameters.parameterNode
    for earlier, name, kind in (("time", "stateRule", str), ("prime", "warmUpFrames", int)):
        if earlier in node.GetParameterNames():
            with suppress(ValueError):  # a damaged value leaves the default
                parameters.setValue(name, kind(node.GetParameter(earlier)))
            node.UnsetParameter(earlier)
    for name in ("inputSequence", "outputSequence"):  # under this name, they could be sequences only
        earlierNode = node.GetNodeReference(name)
        if earlierNode is not None:
            parameters.setValue(name, earlierNode)
        node.RemoveNodeReferenceIDs(name)
        node.UnsetParameter(name)


def hasFrames(parameters: CLSTMSegmentParameterNode) -> bool:
    """Return whether the input is a sequence; a single volume has no frames to choose from."""
    return parameters.inputSequence is not None and parameters.inputSequence.IsA("vtkMRMLSequenceNode")


def settingsWithoutScene(parameters: CLSTMSegmentParameterNode) -> RunSettings:
    """Return the settings of a run, except for the region and the current frame, which depend on the scene.

    This is quick, whatever the number of frames.

    Raises:
        InputError: a setting makes no sense, or the input does not have the frames of the range.
    """
    settings = _settingsOfAnyInput(parameters)
    if parameters.frames == "range" and hasFrames(parameters):
        return replace(settings, frames=_rangeOfFrames(parameters))
    return settings


def _settingsOfAnyInput(parameters: CLSTMSegmentParameterNode) -> RunSettings:
    stateRule = f"window:{parameters.window}" if parameters.stateRule == "window" else parameters.stateRule
    return RunSettings(
        model=parameters.model,
        device=parameters.device,
        precision=parameters.precision,
        tile=read_shape(parameters.tile) if parameters.tile.strip() else None,
        overlap=parameters.overlap,
        ram_gb=parameters.ramGB or None,
        state_rule=stateRule or None,
        warm_up_frames=parameters.warmUpFrames if parameters.warmUpFrames >= 0 else None,
    )


def liveSettingsFor(parameters: CLSTMSegmentParameterNode) -> RunSettings:
    """Return the settings of a live segmentation.

    Raises:
        InputError: a setting makes no sense, or the region cannot be used.
    """
    settings = _settingsOfAnyInput(parameters)
    if parameters.roi is not None:
        return replace(settings, region=regionFromROI(parameters.roi, parameters.liveVolume))
    return settings


def runSettingsFor(source: SequenceInput, parameters: CLSTMSegmentParameterNode) -> RunSettings:
    """Return the settings of a run on an input.

    Raises:
        InputError: see `settingsWithoutScene`; or the region cannot be used, or no browser plays the input.
    """
    settings = settingsWithoutScene(parameters)
    if parameters.roi is not None:
        settings = replace(settings, region=regionOfRun(parameters.roi, source))
    if parameters.frames == "current" and not source.isSingle:
        number = source.shownFrame
        if number is None:
            raise InputError(_("no browser shows a frame of this sequence: choose a range of frames"))
        settings = replace(settings, frames=str(number))
    return settings


def _rangeOfFrames(parameters: CLSTMSegmentParameterNode) -> str:
    first, stop, step = parameters.firstFrame, parameters.lastFrame + 1, parameters.frameStep
    if first >= stop:
        raise InputError(_("the range of frames is empty: the first frame comes after the last"))
    last = parameters.inputSequence.GetNumberOfDataNodes() - 1
    if range(first, stop, step)[-1] > last:
        raise InputError(_("the sequence has frames 0 to {last}: choose a range in it").format(last=last))
    return f"{first}:{stop}:{step}"
