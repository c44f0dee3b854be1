"""The Live section of the panel: a volume is segmented whenever its image changes."""

from slicer.i18n import tr as _

from ..core.errors import InputError
from ..scene.live_input import checkLiveInput
from ..scene.live_output import LiveOutput
from ..worker.worker_process import MakeWorker
from .dependencies import TO_SEGMENT, PackageInstaller
from .live_segmentation import LiveRequest, LiveSegmentation
from .model_section import ModelSection
from .node_selectors import hideLabelmaps
from .parameter_node import CLSTMSegmentParameterNode, liveSettingsFor
from .reported_slots import plain, reporting, telling


class LiveSection:
    """Everything behind the widgets of the Live section.

    Args:
        ui: the panel's widgets.
        makeWorker: what makes the worker.
        models: the models of the panel.
        installer: installs what is needed to segment.
    """

    def __init__(self, ui: object, makeWorker: MakeWorker, models: ModelSection, installer: PackageInstaller):
        self._ui = ui
        self._tell = telling(ui.liveStatusLabel)
        self._makeWorker = makeWorker
        self._models = models
        self._installer = installer
        self._parameters: CLSTMSegmentParameterNode | None = None
        self._live: LiveSegmentation | None = None
        self._earlier: LiveOutput | None = None
        for button, slot in ((ui.liveButton, self._onLive), (ui.recordButton, self._onRecord)):
            button.connect("clicked()", reporting(ui.liveStatusLabel, slot))
        self._showButtons()

    def update(self, parameters: CLSTMSegmentParameterNode) -> None:
        """Bring the section up to date with the settings and the scene."""
        self._parameters = parameters
        hideLabelmaps(self._ui.liveSelector)
        self._showButtons()

    def close(self) -> None:
        """End the live segmentation without a change to the scene, because the scene is closing."""
        live, self._live = self._live, None
        if live is not None:
            live.abandon()
        self._parameters = self._earlier = None
        self._ui.liveVolumesLabel.text = self._ui.liveStatusLabel.text = ""
        self._showButtons()

    def _obstacle(self) -> str | None:
        """Return why nothing can be segmented live now, and what to do; None when it can."""
        if self._parameters is None or self._parameters.liveVolume is None:
            return _("Choose a volume whose image changes.")
        try:
            checkLiveInput(self._parameters.liveVolume)
            self._models.chosen(self._parameters.model)
            liveSettingsFor(self._parameters)
        except InputError as error:
            return str(error)
        return None

    def _showButtons(self) -> None:
        ui, running = self._ui, self._live is not None
        obstacle = None if running else self._obstacle()
        ui.liveButton.text = _("Stop") if running else _("Start")
        ui.liveButton.enabled = obstacle is None
        ui.liveButton.toolTip = plain(obstacle or _("Segment the volume whenever its image changes."))
        ui.liveSelector.enabled = not running
        ui.recordButton.enabled = running
        if not running:
            ui.recordButton.checked = False

    # -- what buttons do --------------------------------------------------------------------------

    def _onLive(self) -> None:
        if self._live is not None:
            self._live.stop()
            return
        if not self._installer.ensure(TO_SEGMENT, self._tell) or self._parameters is None:
            return
        parameters = self._parameters
        model, settings = self._models.readAgain(parameters.model), liveSettingsFor(parameters)
        request = LiveRequest(parameters.liveVolume, model, settings, self._earlier, parameters.roi)
        self._live = LiveSegmentation(request, self._makeWorker, self._show)
        self._show(self._live)
        self._showButtons()

    def _onRecord(self) -> None:
        if self._live is not None:
            self._live.record(self._ui.recordButton.checked)
            self._show(self._live)

    # -- what is shown ----------------------------------------------------------------------------

    def _show(self, live: LiveSegmentation) -> None:
        ui = self._ui
        ui.liveStatusLabel.text = "\n".join(statusLines(live))
        ui.liveVolumesLabel.text = "" if live.ml is None else _volumes(live)
        if live.state == "running":
            return
        if live.details:
            ui.logText.appendPlainText(live.details)
        self._live, self._earlier = None, live.output
        self._showButtons()


def statusLines(live: LiveSegmentation) -> list[str]:
    """Return what a user wants to know about a live segmentation, line by line."""
    lines = [_state(live)]
    if live.segmented or live.skipped:
        line = _("{segmented} frames segmented, {skipped} skipped")
        lines.append(line.format(segmented=live.segmented, skipped=live.skipped))
        if live.framesPerSecond is not None:
            lines[-1] += _(", {rate:.1f} per second").format(rate=live.framesPerSecond)
    if live.latency is not None:
        line = _("latency {newest:.0f} ms (median {median:.0f}, 95 % below {most:.0f}), of it network {network:.0f} ms")
        lines.append(
            line.format(
                newest=1000 * live.latency.newest,
                median=1000 * live.latency.median,
                most=1000 * live.latency.percentile_95,
                network=1000 * live.networkLatency.newest,
            )
        )
    if live.recorded is not None:
        lines.append(_("{count} frames recorded").format(count=live.recorded))
    elif live.browserNode is not None:
        lines.append(_("The recording is in {name}.").format(name=live.browserNode.GetName()))
    if live.outOfDistribution:
        lines.append(_("unlike the training in {measures}").format(measures=" and ".join(live.outOfDistribution)))
    if live.warnings:
        lines.append(_("Warning: {text}").format(text=live.warnings[-1]))
    return lines


def _state(live: LiveSegmentation) -> str:
    if live.message:
        return live.message
    if live.state == "stopped":
        return _("Stopped.")
    if live.device is None:
        return _("Starting...")
    if not live.segmented:
        return _("Waiting for images, on {device}.").format(device=live.device)
    return _("Live, on {device}.").format(device=live.device)


def _volumes(live: LiveSegmentation) -> str:
    return "\n".join(
        _("{segment}: {volume:.1f} ml").format(segment=name, volume=ml)
        for name, ml in zip(live.output.names, live.ml, strict=True)
    )
