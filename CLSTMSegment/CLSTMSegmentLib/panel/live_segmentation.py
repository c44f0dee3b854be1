"""A live segmentation: the newest image of a volume goes to a worker process, and its labels into one node."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError, RunFailed
from ..core.latency import Latencies, Latency
from ..core.volume_curve import FrameVolumes
from ..engine.settings import RunSettings
from ..model.description import Model
from ..scene.images import volumeGeometry
from ..scene.live_input import LiveInput
from ..scene.live_output import LiveOutput
from ..scene.live_recording import LiveRecording, copyOf
from ..scene.regions import regionFromROI
from ..worker.events import Event, Failed, FrameArrived, FrameRefused, LiveFrameDone, Note, Started
from ..worker.live_folder import LiveFolder
from ..worker.worker_process import LIVE, MakeWorker
from .repeating_timer import RepeatingTimer
from .reported_slots import unexpected

TICK_MS = 10
"""Time between two looks at the volume and the worker; each takes less than a tenth of it."""

RATE_FRAMES = 20
"""Number of the last frames over which frames per second are counted."""

WARNINGS_KEPT = 5
"""Number of the last warnings that are kept."""


@dataclass(frozen=True)
class LiveRequest:
    """What the user wants to be segmented live, and how.

    Attributes:
        volumeNode: the volume whose image changes.
        model: the model that the settings name.
        settings: settings of the run; its frames do not count.
        earlier: the output of an earlier live segmentation, see `LiveOutput`.
        roi: a markups ROI, which each frame is segmented in as it is seen then; None for the region of the settings.
    """

    volumeNode: slicer.vtkMRMLScalarVolumeNode
    model: Model
    settings: RunSettings
    earlier: LiveOutput | None = None
    roi: slicer.vtkMRMLMarkupsROINode | None = None


@dataclass(frozen=True)
class _HandedOver:
    """The frame on which the worker is at work: its number, when it arrived, and what a recording needs of it."""

    number: int
    arrived: float
    geometry: slicer.vtkOrientedImageData
    copy: slicer.vtkMRMLScalarVolumeNode | None


class LiveSegmentation:
    """Segments a volume whenever its image changes, in a worker process that keeps the model loaded.

    The worker gets the newest frame once it is free. A frame that is followed by another one before is skipped.

    Args:
        request: what to segment, and how.
        makeWorker: what makes the worker.
        changed: called whenever there is something new to show, and once at the end.

    Attributes:
        state: "running", then "stopped" or "failed".
        device: the device on which the model is loaded; None before.
        message: after a failure, what happened and what to do; while it runs, why the newest frame is not segmented.
        details: after a failure, what helps a developer; may be empty.
        output: the segmentation.
        segmented, skipped: number of frames.
        ml: the volume of each segment in the newest frame; None before.
        outOfDistribution: the measures in which the newest frame is unlike those of the model's training.
        warnings: the last warnings.
        browserNode: the browser of the last recording; None before.

    Raises:
        OSError: the worker cannot be started.
    """

    def __init__(self, request: LiveRequest, makeWorker: MakeWorker, changed: Callable[["LiveSegmentation"], None]):
        self.request = request
        self.state = "running"
        self.device: str | None = None
        self.message = self.details = ""
        self.output = LiveOutput(request.model, request.volumeNode, request.earlier)
        self.segmented = self.skipped = 0
        self.ml: tuple[float, ...] | None = None
        self.outOfDistribution: tuple[str, ...] = ()
        self.warnings: deque[str] = deque(maxlen=WARNINGS_KEPT)
        self.browserNode: slicer.vtkMRMLSequenceBrowserNode | None = None
        self._changed = changed
        self._input = LiveInput(request.volumeNode)
        self._region = request.settings.region
        self._began = time.perf_counter()
        self._waitingSince: float | None = None
        self._handedOver: _HandedOver | None = None
        self._handedOverCount = 0
        self._recording: LiveRecording | None = None
        self._latencies, self._networkLatencies = Latencies(), Latencies()
        self._doneAt: deque[float] = deque(maxlen=RATE_FRAMES)
        self._folder = LiveFolder.make_own(request.settings, model=request.model)
        self._worker = makeWorker(LIVE, self._folder)
        try:
            self._worker.start()
        except OSError:
            self._folder.remove()
            self.output.end()
            raise
        self._scene = request.volumeNode.GetScene()
        self._sceneTag = self._scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, self._onSceneClosing)
        self._timer = RepeatingTimer(TICK_MS, self._tick)
        self._timer.start()

    @property
    def latency(self) -> Latency | None:
        """Return how long the last frames took from their arrival until they were shown; None before the first one."""
        return self._latencies.latency

    @property
    def networkLatency(self) -> Latency | None:
        """Return the part of the latency that the network took; None before the first frame."""
        return self._networkLatencies.latency

    @property
    def framesPerSecond(self) -> float | None:
        """Return how many of the last frames were segmented in a second; None before the second one."""
        if len(self._doneAt) < 2:
            return None
        return (len(self._doneAt) - 1) / (self._doneAt[-1] - self._doneAt[0])

    @property
    def recorded(self) -> int | None:
        """Return the number of frames that are recorded so far; None while nothing is recorded."""
        return self._recording.count if self._recording is not None else None

    def record(self, recording: bool) -> None:
        """Record from now on, or end the recording and add it to the scene."""
        if recording and self._recording is None and self.state == "running":
            self._recording = LiveRecording(self.request.model, self.request.volumeNode)
        elif not recording and self._recording is not None:
            finished, self._recording = self._recording, None
            self.browserNode = finished.publish(self.output.node) or self.browserNode

    def stop(self) -> None:
        """End the worker at once; the newest labels stay in the scene."""
        self._end("stopped", "")

    def abandon(self) -> None:
        """End the worker without a change to the scene, because the scene is closing."""
        self._changed = lambda live: None
        self._recording = None
        self._end("stopped", "")

    def _onSceneClosing(self, *_event: object) -> None:
        """End without the recording, which would be added to the scene of the next patient."""
        self._recording = None
        self._end("stopped", _("The scene was closed: live segmentation has stopped."))

    def _tick(self) -> None:
        if self.request.volumeNode.GetScene() is None:
            self._end("failed", _("The input was removed: live segmentation has stopped."))
            return
        if self.output.isRemoved:
            self._end("failed", _("The output was removed: live segmentation has stopped."))
            return
        try:
            events = self._worker.poll()
            for event in events:
                self._take(event)
            skippedBefore = self.skipped
            self._look()
            handedOver = self._handOver()
        except (InputError, RunFailed, OSError) as error:
            self._end("failed", str(error))
            return
        except Exception as error:
            self._end("failed", unexpected(error))
            raise
        if self.state == "running" and (events or handedOver or self.skipped > skippedBefore):
            self._changed(self)

    def _look(self) -> None:
        """Notice a new frame; the one that was still waiting is skipped."""
        if self._input.hasNewFrame():
            self.skipped += self._waitingSince is not None
            self._waitingSince = time.perf_counter()

    def _handOver(self) -> bool:
        """Hand the waiting frame to the worker if it is free, and return whether something was done."""
        if self._waitingSince is None or self.device is None or self._handedOver is not None or self.state != "running":
            return False
        arrived, self._waitingSince = self._waitingSince, None
        try:
            voxels, grid = self._input.frame()
            self._followROI()
        except InputError as error:
            self.message = str(error)
            return True
        copy = copyOf(self.request.volumeNode) if self._recording is not None else None
        number = self._handedOverCount
        self._handedOverCount += 1
        self._handedOver = _HandedOver(number, arrived, volumeGeometry(self.request.volumeNode), copy)
        value = f"{1000 * (arrived - self._began):.0f}"
        self._folder.write_frame(FrameArrived(number, value, voxels.dtype.str, grid, self._region), voxels)
        return True

    def _followROI(self) -> None:
        """Find where the ROI lies in the newest image: both may have been moved; a ROI that was removed stays."""
        if self.request.roi is not None and self.request.roi.GetScene() is not None:
            self._region = regionFromROI(self.request.roi, self.request.volumeNode)

    def _take(self, event: Event) -> None:
        match event:
            case Started(device):
                self.device = device
                if self._waitingSince is not None:  # a frame that waited for the model says nothing about latency
                    self._waitingSince = time.perf_counter()
            case Note(text):
                self.warnings.append(text)
            case LiveFrameDone():
                self._show(event)
            case FrameRefused(message=message):
                self._handedOver, self.message = None, message
            case Failed(message, details):
                self.details = details
                self._end("failed", message)

    def _show(self, done: LiveFrameDone) -> None:
        frame, self._handedOver = self._handedOver, None
        labels = self._folder.read_result(done)
        try:
            self.output.show(labels, done.box, frame.geometry)
        except InputError as error:
            self.message = str(error)
            return
        now = time.perf_counter()
        self._latencies.add(now - frame.arrived)
        self._networkLatencies.add(done.seconds)
        self._doneAt.append(now)
        self.segmented += 1
        self.ml, self.outOfDistribution, self.message = done.ml, done.out_of_distribution, ""
        if self._recording is not None and frame.copy is not None:
            value = f"{1000 * (frame.arrived - self._began):.0f}"
            self._recording.add(frame.copy, labels, done.box, FrameVolumes(done.number, value, done.ml))

    def _end(self, state: str, message: str) -> None:
        if self.state != "running":
            return
        self.state, self.message = state, message
        self._timer.stop()
        self._scene.RemoveObserver(self._sceneTag)
        self._worker.end()
        self._folder.remove()
        self.output.end()
        self._handedOver = self._waitingSince = None
        self.record(False)
        self._changed(self)
