"""The question whether a run may replace the frames of an output that exists."""

import slicer
from slicer.i18n import tr as _

from ..scene.frame_reviews import frameReviews
from ..scene.made_frames import drawnFrames
from .reported_slots import plain
from .run_requests import PropagationRequest, RunRequest

VALUES_SHOWN = 5
"""Number of the frames that are named in the question."""


class ReplacementQuestion:
    """Asks the user before a run replaces something.

    The user is asked once for each output and input. They are asked again whenever a run would remove something that
    they drew, corrected or marked, or would not make a frame that is there. A propagation into its own annotation
    keeps what they drew, and asks only where it would remove marks or not make a frame that is there.
    """

    def __init__(self):
        self._agreed: set[tuple[str, str]] = set()

    def isAnswered(self, request: RunRequest | PropagationRequest) -> bool:
        """Return whether a run may begin; ask where this is not clear."""
        outputNode = request.outputNode
        if outputNode is None:
            return True
        pair = (outputNode.GetID(), request.source.node.GetID())
        count, lost = _count(outputNode), _lost(outputNode, request)
        isFilled = request.replacedNode is None  # an annotation, which is propagated again, gets its frames back
        if count == 0 or (not lost and (isFilled or pair in self._agreed)):
            return True
        if outputNode.IsA("vtkMRMLSequenceNode"):
            question = _("The {count} frames of {name} will be replaced when the run has finished.")
        else:
            question = _("The {count} segments of {name} will be replaced when the run has finished.")
        text = " ".join([question.format(count=count, name=outputNode.GetName()), *lost])
        if not slicer.util.confirmOkCancelDisplay(plain(text), _("Replace the output")):
            return False
        self._agreed.add(pair)
        return True

    def forget(self) -> None:
        """Forget all answers, because the scene is closing."""
        self._agreed.clear()


def _count(outputNode: slicer.vtkMRMLNode) -> int:
    """Return the number of frames of a sequence, or of segments of a segmentation."""
    if outputNode.IsA("vtkMRMLSequenceNode"):
        return outputNode.GetNumberOfDataNodes()
    return outputNode.GetSegmentation().GetNumberOfSegments()


def _lost(outputNode: slicer.vtkMRMLNode, request: RunRequest | PropagationRequest) -> list[str]:
    """Return sentences about what the user would lose, beside frames that a run made."""
    sentences = []
    if request.replacedNode is not None and drawnFrames(outputNode, emptied=True):
        sentences.append(_("They hold what you drew or corrected."))
    if outputNode.IsA("vtkMRMLSequenceNode"):
        if frameReviews(outputNode):
            sentences.append(_("Your marks of good and bad frames will be removed."))
        lost = _lostFrames(outputNode, request)
        if lost:
            more = " ..." if len(lost) > VALUES_SHOWN else ""
            values = ", ".join(lost[:VALUES_SHOWN]) + more
            sentences.append(_("This run does not make the frames at {values}.").format(values=values))
    return sentences


def _lostFrames(outputNode: slicer.vtkMRMLSequenceNode, request: RunRequest | PropagationRequest) -> list[str]:
    """Return the index values of the frames that an output has, and would not have after a run."""
    inputNode = request.source.sequenceNode
    made = set(request.numbers(inputNode.GetNumberOfDataNodes()))
    values = [outputNode.GetNthIndexValue(number) for number in range(outputNode.GetNumberOfDataNodes())]
    return [value for value in values if inputNode.GetItemNumberFromIndexValue(value, True) not in made]
