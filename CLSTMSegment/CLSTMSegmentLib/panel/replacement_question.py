"""Whether a run may replace the frames of an output that exists: the question to the user, and what they did since."""

import slicer
from slicer.i18n import tr as _

from ..scene.frame_reviews import frameReviews
from ..scene.live_output import isLive
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
        lost = request.lostFrames(outputNode)
        if lost:
            more = " ..." if len(lost) > VALUES_SHOWN else ""
            values = ", ".join(lost[:VALUES_SHOWN]) + more
            sentences.append(_("This run does not make the frames at {values}.").format(values=values))
    return sentences


def outputToReplace(request: RunRequest | PropagationRequest) -> tuple[slicer.vtkMRMLNode | None, str]:
    """Return the output that a run replaces now that it has finished, and what the user must know.

    Returns:
        The output, or None where the result is a new one; and a text, which is often empty.
    """
    outputNode = request.outputNode
    if outputNode is None or outputNode.GetScene() is None:  # the user may have removed it
        return None, ""
    if request.outputIsInUse or isLive(outputNode):
        text = _("{name} was edited meanwhile and stays as it is: the result is a new one.")
        return None, text.format(name=outputNode.GetName())
    return outputNode, ""
