"""What the user wants to be done in a worker process: a run of a model, or a propagation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError
from ..core.sequence import SegmentedFrame
from ..core.structure import SegmentSet
from ..core.volume_curve import Flag, VolumeCurve
from ..engine.settings import RunSettings, frames_text
from ..model.description import Model
from ..propagation.propagator import check_annotations
from ..scene.annotations import readAnnotations
from ..scene.inputs import SequenceFrames, SequenceInput
from ..scene.made_frames import frameContents
from ..scene.output_choice import checkOutputFor
from ..scene.outputs import SegmentationOutput
from ..scene.unsaved_drawings import saveChanges
from ..worker.job_folder import JobFolder
from ..worker.worker_process import CYCLIC, PROPAGATE, SEGMENT


@dataclass(frozen=True)
class _Request:
    """What both kinds of requests know of the input and of the output that they replace.

    Attributes:
        frames: the frames of the input.
        indexValues: the index values of all frames when the request was made.
        contents: what the frames of the output hold as long as the user changes nothing in them.
    """

    frames: SequenceFrames = field(init=False)
    indexValues: Sequence[str] = field(default=(), kw_only=True)
    contents: Mapping[str, str] | None = field(default=None, kw_only=True)

    def __post_init__(self):
        object.__setattr__(self, "frames", SequenceFrames(self.source.sequenceNode))
        if not self.indexValues:
            object.__setattr__(self, "indexValues", self.frames.index.values)
        if self.contents is None:
            object.__setattr__(self, "contents", self._contentsNow())

    def _numberNow(self, number: int) -> int:
        """Return the number that a frame has in the input now, which had a number when the request was made.

        Raises:
            InputError: the frame was removed since.
        """
        value, values = self.indexValues[number], self.frames.index.values
        if value not in values:
            text = _("frame {number} ({value}) was removed from {name} while the run waited: choose other frames")
            raise InputError(text.format(number=number, value=value, name=self.source.sequenceNode.GetName()))
        return values.index(value)

    @property
    def outputIsInUse(self) -> bool:
        """Return whether the user has drawn, renamed or coloured something in the output since the request was made."""
        return self._contentsNow() != self.contents

    def _contentsNow(self) -> Mapping[str, str]:
        """Return what the frames of the output hold, with what the user has drawn there just now."""
        if self.outputNode is None:
            return {}
        saveChanges(self.outputNode)
        return frameContents(self.outputNode)

    def changes(self, curve: VolumeCurve) -> str:
        """Return what to tell the user of input frames that were changed after they were read; often empty.

        Args:
            curve: the finished frames.
        """
        numbers = [0] if self.source.hasOtherImage else self.frames.edited()
        edited = [str(number) for number in numbers if number in curve.numbers]
        values = self.frames.index.values
        gone = [str(frame.number) for frame in curve.frames if frame.index_value not in values]
        texts = []
        if edited:
            text = _(
                "The images of these frames were changed after they were read, and their labels do not follow: "
                "{frames}."
            )
            texts.append(text.format(frames=", ".join(edited)))
        if gone:
            text = _(
                "These frames were removed from the input after they were read, or got other index values, so that "
                "their labels are shown with no image: {frames}."
            )
            texts.append(text.format(frames=", ".join(gone)))
        return " ".join(texts)

    def elsewhere(self, output: SegmentationOutput) -> str:
        """Return what to tell the user if the output is shown in another place than the input; mostly empty."""
        image, shown = self.source.proxyNode, output.shownNode
        if any(node is None or node.GetScene() is None for node in (image, shown)):
            return ""
        if image.GetTransformNodeID() == shown.GetTransformNodeID():
            return ""
        text = _(
            "{output} and {input} got different transforms during the run, so that the labels do not lie on the "
            "images: put both under the same transform, or none."
        )
        return text.format(output=shown.GetName(), input=image.GetName())

    def after(self, outputNode: slicer.vtkMRMLNode, isChanged: bool) -> "_Request":
        """Return the request as it is after a run before it, which may have replaced the frames of the same output.

        Args:
            outputNode: the output of the run before.
            isChanged: whether the user has changed something in its frames. The output is in use then, and also where
                this run would not make all frames that are there now: nobody was asked whether they can go.
        """
        isInUse = outputNode is not self.outputNode or isChanged or bool(self.lostFrames(outputNode))
        return self if isInUse else replace(self, contents=None)

    def lostFrames(self, outputNode: slicer.vtkMRMLNode) -> list[str]:
        """Return the index values of the frames that an output has now, and would not have after the run."""
        if not outputNode.IsA("vtkMRMLSequenceNode"):
            return []
        inputNode, made = self.source.sequenceNode, {self.indexValues[n] for n in self.numbers(len(self.indexValues))}
        lost = []
        for value in [outputNode.GetNthIndexValue(number) for number in range(outputNode.GetNumberOfDataNodes())]:
            item = inputNode.GetItemNumberFromIndexValue(value, True)  # 40 and 40.0 are one value
            if value not in made and (item < 0 or inputNode.GetNthIndexValue(item) not in made):
                lost.append(value)
        return lost


@dataclass(frozen=True)
class RunRequest(_Request):
    """What the user wants to be segmented, and how.

    Attributes:
        source: the input.
        model: the model that the settings name.
        settings: what the run is.
        outputNode: the segmentation sequence, or for a single volume the segmentation, that the finished run replaces;
            None for a new one.
    """

    source: SequenceInput
    model: Model
    settings: RunSettings
    outputNode: slicer.vtkMRMLNode | None = None

    module = SEGMENT
    arguments = ()

    @property
    def replacedNode(self) -> slicer.vtkMRMLNode | None:
        """Return the node whose content is lost when the run has finished; None for none."""
        return self.outputNode

    def atStart(self) -> "RunRequest":
        """Return the request with the numbers that the chosen frames have now, when its turn has come.

        Raises:
            InputError: the input does not have the frames that the settings name, or has one of them no more.
        """
        if self.settings.frames == "all" or self.frames.index.values == self.indexValues:
            return self
        numbers = [self._numberNow(number) for number in self.settings.frame_numbers(len(self.indexValues))]
        settings = replace(self.settings, frames=frames_text(sorted(numbers)))
        return replace(self, settings=settings, indexValues=())

    def numbers(self, frames: int) -> Sequence[int]:
        """Return the numbers of the frames that are done, of so many frames of the input.

        Raises:
            InputError: the input does not have the frames that the settings name.
        """
        return self.settings.frame_numbers(frames)

    def makeFolder(self, indexValues: list[str]) -> JobFolder:
        """Return the job folder of the worker.

        Raises:
            OSError: it cannot be made.
        """
        return JobFolder.make(self.settings, indexValues, model=self.model)

    def add(self, output: SegmentationOutput, frame: SegmentedFrame, flags: Sequence[Flag]) -> None:
        """Add a finished frame to the output."""
        output.add(frame, flags=flags)


@dataclass(frozen=True)
class PropagationRequest(_Request):
    """Which annotated frames the user wants to be propagated to all frames.

    Attributes:
        source: the input.
        annotationNode: the annotation.
        model: the annotated segments.
        annotations: label images by the number of the annotated frame.
        drawnNodes: copies of the segmentations that the user drew, by the same numbers.
        cyclic: whether the first frame follows the last one.
        outputNode: the segmentation sequence that the finished propagation replaces; None for a new one. If it is the
            annotation, its annotated frames stay as they are.
        drawn: what the frames of the annotation hold as long as the user changes nothing more.
    """

    source: SequenceInput
    annotationNode: slicer.vtkMRMLSequenceNode
    model: SegmentSet
    annotations: Mapping[int, sitk.Image]
    drawnNodes: Mapping[int, slicer.vtkMRMLSegmentationNode]
    cyclic: bool
    outputNode: slicer.vtkMRMLSequenceNode | None
    drawn: Mapping[str, str]

    module = PROPAGATE

    @classmethod
    def read(
        cls,
        source: SequenceInput,
        annotationNode: slicer.vtkMRMLSequenceNode,
        cyclic: bool,
        outputNode: slicer.vtkMRMLSequenceNode | None,
    ) -> "PropagationRequest":
        """Return a propagation of what is drawn now.

        Raises:
            InputError: the input, the annotation or the output cannot be used.
        """
        if outputNode is not None:
            checkOutputFor(outputNode, source)
        if source.isSingle:
            name = source.node.GetName()
            raise InputError(
                _("{name} is a single volume: choose a sequence, which has other frames").format(name=name)
            )
        segments, annotations = readAnnotations(annotationNode, source, emptied=True)
        check_annotations(SequenceFrames(source.sequenceNode), annotations)
        drawn = frameContents(annotationNode)
        nodes = {}
        for number in annotations:
            nodes[number] = slicer.vtkMRMLSegmentationNode()
            shown = annotationNode.GetDataNodeAtValue(source.sequenceNode.GetNthIndexValue(number))
            nodes[number].GetSegmentation().DeepCopy(shown.GetSegmentation())
        model = SegmentSet("propagated", segments)
        return cls(source, annotationNode, model, annotations, nodes, cyclic, outputNode, drawn)

    def atStart(self) -> "PropagationRequest":
        """Return it with the frame numbers of now; raise an InputError if an annotated frame was removed or moved."""
        request = self
        if self.frames.index.values != self.indexValues:
            annotations = {self._numberNow(number): labels for number, labels in self.annotations.items()}
            drawnNodes = {self._numberNow(number): node for number, node in self.drawnNodes.items()}
            request = replace(self, annotations=annotations, drawnNodes=drawnNodes, indexValues=())
        check_annotations(request.frames, request.annotations)
        return request

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the arguments of the worker."""
        return (CYCLIC,) if self.cyclic else ()

    @property
    def replacedNode(self) -> slicer.vtkMRMLNode | None:
        """Return the node whose content is lost when the propagation has finished; None for none."""
        return None if self.outputNode is self.annotationNode else self.outputNode

    @property
    def annotationIsChanged(self) -> bool:
        """Return whether the user has drawn or renamed something in the annotation since the request was made."""
        saveChanges(self.annotationNode)
        return frameContents(self.annotationNode) != self.drawn

    def numbers(self, frames: int) -> Sequence[int]:
        """Return the numbers of the frames that are done, of so many frames of the input."""
        return range(frames)

    def makeFolder(self, indexValues: list[str]) -> JobFolder:
        """Return the job folder of the worker, with the annotations.

        Raises:
            OSError, StorageError: it cannot be made, or the annotations cannot be written.
        """
        folder = JobFolder.make(None, indexValues)
        try:
            for number, labels in self.annotations.items():
                folder.write_annotation(number, labels)
        except BaseException:
            folder.remove()
            raise
        return folder

    def add(self, output: SegmentationOutput, frame: SegmentedFrame, flags: Sequence[Flag]) -> None:
        """Add a finished frame to the output."""
        output.addPropagated(frame, flags, self.drawnNodes.get(frame.number))
