"""The part of the panel that propagates the annotated frames to all frames."""

from collections.abc import Callable

from slicer.i18n import tr as _

from ..scene.inputs import resolveInput
from ..scene.made_frames import isPropagated
from .background_run import BackgroundRun
from .busy import busy
from .parameter_node import CLSTMSegmentParameterNode, hasFrames
from .reported_slots import reporting
from .run_requests import PropagationRequest, RunRequest


class PropagateSection:
    """The button *Propagate*, and what it says.

    Args:
        ui: the panel's widgets.
        submit: starts what a request asks for, once the runs before it are done.
        cancel: cancels the run that goes on, and those that wait.
    """

    def __init__(
        self, ui: object, submit: Callable[[RunRequest | PropagationRequest], None], cancel: Callable[[], None]
    ):
        self._ui = ui
        self._submit = submit
        self._parameters: CLSTMSegmentParameterNode | None = None
        for widget, signal, slot in (
            (ui.teachCollapsibleButton, "contentsCollapsed(bool)", lambda _collapsed: self._refresh()),
            (ui.propagateButton, "clicked()", self._onPropagate),
            (ui.cancelPropagationButton, "clicked()", cancel),
        ):
            widget.connect(signal, reporting(ui.propagateStatusLabel, slot))

    def update(self, parameters: CLSTMSegmentParameterNode | None) -> None:
        """Bring the widgets up to date with the settings, after the list of annotated frames."""
        self._parameters = parameters
        self._refresh()

    def _refresh(self) -> None:
        if self._parameters is None or self._ui.teachCollapsibleButton.collapsed:
            return
        obstacle = self._obstacle()
        self._ui.propagateButton.enabled = obstacle is None
        self._ui.propagateButton.toolTip = obstacle or _(
            "Label all other frames from the annotated ones, without a model. Correct a frame of the result, and press "
            "again: a corrected frame counts as annotated."
        )

    def _obstacle(self) -> str | None:
        """Return why nothing can be propagated now, and what to do; None when it can."""
        if not hasFrames(self._parameters):
            return _("Choose a sequence as the input first.")
        if self._parameters.inputSequence.GetNumberOfDataNodes() < 2:
            return _("The input has one frame only: there is no other one to propagate to.")
        if self._ui.annotatedFramesList.count == 0:
            return _("Choose an annotation with annotated frames, or make a new one and draw in a frame.")
        return None

    def _onPropagate(self) -> None:
        parameters, annotationNode = self._parameters, self._parameters.annotationSequence
        outputNode = parameters.outputSequence
        if outputNode is None and isPropagated(annotationNode):
            outputNode = annotationNode  # which keeps its annotated frames
        with busy(self._ui.propagateStatusLabel) as show:
            show(_("Reading the annotations..."))
            source = resolveInput(parameters.inputSequence)
            request = PropagationRequest.read(source, annotationNode, parameters.cyclic, outputNode)
        self._ui.propagateStatusLabel.text = ""
        self._submit(request)

    def tell(self, request: RunRequest | PropagationRequest, status: str) -> None:
        """Show the status of a propagation; that of another run is shown elsewhere."""
        if isinstance(request, PropagationRequest):
            self._ui.propagateStatusLabel.text = status

    def show(self, run: BackgroundRun, status: str) -> None:
        """Show how far a propagation is; another run is shown elsewhere.

        When it is done, its result becomes the annotation, so that corrected frames count at the next time.
        """
        request = run.request
        if not isinstance(request, PropagationRequest):
            return
        self.tell(request, status)
        self._ui.cancelPropagationButton.enabled = run.state == "running"
        parameters = self._parameters
        if (
            run.state == "done"
            and parameters is not None
            and parameters.annotationSequence is request.annotationNode
            and not request.annotationIsChanged
        ):
            parameters.annotationSequence = run.output.sequenceNode

    def close(self) -> None:
        """Show nothing of a run that was abandoned."""
        self._parameters = None
        self._ui.cancelPropagationButton.enabled = False
        self._ui.propagateStatusLabel.text = ""
