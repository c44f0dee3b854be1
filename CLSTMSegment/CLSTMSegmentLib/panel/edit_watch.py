"""Results of which the user may edit a frame: its volumes are measured again, and their table follows."""

from collections.abc import Callable
from functools import partial

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..core.errors import InputError
from ..scene.earlier_outputs import earlierOutputs, readAgain
from ..scene.outputs import SegmentationOutput
from .repeating_timer import RepeatingTimer
from .reported_slots import reporting, telling

BEFORE_MRML = 1.0
"""Priority of an observer that is called before those of MRML."""

EDIT_MS = 200
"""Time between an edit of a frame and the measurement of its volumes."""


class EditWatch:
    """Watches all results that are in the scene.

    Args:
        label: says what went wrong, and that a frame is not measured.
        edited: called with an output and the numbers of its frames that were measured again.
        isFinished: returns whether the run of an output has ended. After that, what the user draws in a frame that was
            not segmented is kept; before, it is not, because this frame may still be segmented.
    """

    def __init__(
        self,
        label: qt.QLabel,
        edited: Callable[[SegmentationOutput, list[int]], None],
        isFinished: Callable[[SegmentationOutput], bool],
    ):
        self._tell = telling(label)
        self._edited = edited
        self._isFinished = isFinished
        self._watched: dict[SegmentationOutput, list[tuple[slicer.vtkMRMLNode, list[int]]]] = {}
        self._perhapsEdited: set[SegmentationOutput] = set()
        self._timer = RepeatingTimer(EDIT_MS, reporting(label, self.look))

    def watch(self, output: SegmentationOutput) -> None:
        """Watch an output from now on; to watch it again takes the nodes into account that hold and show it now."""
        self._forgetOthers(output)
        resultNode, browserNode = output.outputNode, output.source.browserNode
        nodes = [node for node in (resultNode, browserNode) if node is not None]
        if resultNode is None or nodes == [node for node, _tags in self._watched.get(output, [])]:
            return
        self._forget(output)
        drawn = partial(self._onProxyChanged, output)
        drawn.CallDataType = vtk.VTK_OBJECT
        observers = {resultNode: partial(self._onEvent, output), browserNode: drawn}
        self._watched[output] = [
            (node, [node.AddObserver(event, observers[node], BEFORE_MRML) for event in _editEvents(node)])
            for node in nodes
        ]

    def watchScene(self) -> None:
        """Watch the results too that are in the scene already, and see what was edited while nobody watched."""
        for output in earlierOutputs(slicer.mrmlScene, [output.outputNode for output in self._watched]):
            self.watch(output)
        for output in self._watched:
            self._onEvent(output)

    def forgetRemoved(self) -> None:
        """Watch no output any more that has been removed from the scene, or of which the input has."""
        for output in list(self._watched):
            if any(one is None or one.GetScene() is None for one in (output.outputNode, output.source.node)):
                self._forget(output)

    def lookAtAll(self) -> None:
        """Measure at once what was edited, also by a script in a frame that nothing shows, of which no event tells."""
        self._perhapsEdited.update(self._watched)
        self.look()

    def look(self) -> None:
        """Measure at once what was edited."""
        self._timer.stop()
        self.forgetRemoved()
        perhaps, self._perhapsEdited = self._perhapsEdited, set()
        for output in [output for output in self._watched if output in perhaps]:
            hasChanged = any([readAgain(output), output.followIndex()])
            edited = [number for number in output.curve.numbers if self._measureAgain(output, number)]
            if edited or hasChanged:
                self._edited(output, output.curve.numbers if hasChanged else edited)
            for number in edited:
                self._tellUnmeasured(output, number)

    def _measureAgain(self, output: SegmentationOutput, number: int) -> bool:
        """Return whether a frame was edited and measured; say why one that was edited cannot be measured."""
        try:
            return output.measureAgain(number)
        except InputError as error:
            self._tell(str(error))
            return False

    def _tellUnmeasured(self, output: SegmentationOutput, number: int) -> None:
        """Say which segments of an edited frame are not measured."""
        names = output.unmeasured(number)
        if names:
            text = _("Frame {number}: {names} is not measured, since the result does not have this segment.")
            self._tell(text.format(number=number, names=", ".join(names)))

    def close(self) -> None:
        """Watch nothing any more."""
        self._timer.stop()
        for output in list(self._watched):
            self._forget(output)
        self._perhapsEdited.clear()

    def _onProxyChanged(
        self, output: SegmentationOutput, _browserNode: object, _event: str, proxyNode: slicer.vtkMRMLNode
    ) -> None:
        if proxyNode is not output.shownNode:
            return
        number = output.drawnElsewhere
        if output.source.isBetweenFrames and proxyNode.GetSegmentation().GetNumberOfSegments() > 0:
            self._tell(
                _(
                    "The browser is between two frames of {name}: what you draw here is not kept. Choose a frame of "
                    "it first, for instance by a row of the table."
                ).format(name=output.source.sequenceNode.GetName())
            )
        elif number is not None and self._isFinished(output):
            output.addDrawn(number)
            text = _("Frame {number} was not segmented: what you draw in it is kept, but not measured.")
            self._tell(text.format(number=number))
        elif number is not None:
            text = _(
                "Frame {number} is not segmented yet: what you draw in it now is not kept. Draw once it is "
                "segmented, or once the run has ended."
            )
            self._tell(text.format(number=number))

    def _onEvent(self, output: SegmentationOutput, *_event: object) -> None:
        """Look at an output soon: a stroke changes it several times."""
        self._perhapsEdited.add(output)
        self._timer.start()

    def _forgetOthers(self, output: SegmentationOutput) -> None:
        """Forget the outputs that an output has replaced."""
        for other in [one for one in self._watched if one is not output and one.outputNode is output.outputNode]:
            self._forget(other)

    def _forget(self, output: SegmentationOutput) -> None:
        for node, tags in self._watched.pop(output, []):
            for tag in tags:
                node.RemoveObserver(tag)
        self._perhapsEdited.discard(output)


def _editEvents(node: slicer.vtkMRMLNode) -> list[int]:
    """Return the events by which a result or its browser tells that the user may have edited a frame."""
    if node.IsA("vtkMRMLSequenceBrowserNode"):
        return [node.ProxyNodeModifiedEvent]
    if node.IsA("vtkMRMLSequenceNode"):  # a browser stores what the user draws in it; to show frames does not change it
        return [vtk.vtkCommand.ModifiedEvent]
    events = node.GetContentModifiedEvents()
    return [events.GetValue(n) for n in range(events.GetNumberOfValues())]
