"""The surfaces of all frames of a result, made one after the other while Slicer stays responsive."""

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from ..scene.unsaved_drawings import saveChanges
from .repeating_timer import RepeatingTimer


class SurfaceMaker:
    """Makes the surfaces of a segmentation sequence, one frame at every turn of Slicer's event loop.

    Args:
        tell: shows a line of text to the user.
    """

    def __init__(self, tell: Callable[[str], None]):
        self._tell = tell
        self._sequenceNode: slicer.vtkMRMLSequenceNode | None = None
        self._number = 0
        self._timer = RepeatingTimer(0, self._makeNext)

    def start(self, sequenceNode: slicer.vtkMRMLSequenceNode, shownNode: slicer.vtkMRMLSegmentationNode) -> None:
        """Make the surfaces of the frame that is shown now, then those of all frames; surfaces that exist stay."""
        saveChanges(sequenceNode)  # the application shows the stored frames again when they get surfaces
        shownNode.CreateClosedSurfaceRepresentation()
        self._sequenceNode, self._number = sequenceNode, 0
        self._timer.start()

    def stop(self) -> None:
        """Make no further surfaces."""
        self._timer.stop()
        self._sequenceNode = None

    def _makeNext(self) -> None:
        node = self._sequenceNode
        count = node.GetNumberOfDataNodes()
        if node.GetScene() is None or self._number >= count:
            self.stop()
            self._tell(_("The surfaces of {frames} frames are made.").format(frames=count))
            return
        self._tell(_("Making surfaces: frame {frame} of {frames}").format(frame=self._number + 1, frames=count))
        node.GetNthDataNode(self._number).CreateClosedSurfaceRepresentation()
        self._number += 1
