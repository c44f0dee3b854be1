"""A run in the background: a timer hands frames to a worker process and shows the finished ones."""

import time
from collections import deque
from collections.abc import Callable

import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError, RunFailed
from ..core.progress import Progress
from ..core.same_grid import ImageGrid
from ..core.sequence import SegmentedFrame
from ..core.volume_curve import VolumeCurve
from ..engine.run_report import RunReport
from ..scene.frame_reviews import frameReviews
from ..scene.made_frames import drawnFrames, frameNotes
from ..scene.single_output import outputFor
from ..worker.events import Done, Event, Failed, FrameDone, Note, Started
from ..worker.worker_process import MakeWorker
from .repeating_timer import RepeatingTimer
from .replacement_question import outputToReplace
from .reported_slots import unexpected
from .run_requests import PropagationRequest, RunRequest

TICK_MS = 20

_going: set["BackgroundRun"] = set()
"""The runs that go on, of the panel and of the console."""


def isBeingMade(outputNode: slicer.vtkMRMLNode) -> bool:
    """Return whether a run goes on that adds its finished frames to this output."""
    return any(run.output.outputNode is outputNode for run in _going)


class BackgroundRun:
    """One run, or one propagation, in a worker process.

    After a run that was cancelled or failed, the finished frames stay in the scene unless `discard` removes them.

    Args:
        request: what to do, and how.
        makeWorker: what makes the worker.
        changed: called whenever there is something new to show, and once at the end.
        shown: whether frames appear in the scene as soon as they are finished; otherwise the caller publishes them.

    Attributes:
        state: "running", then "done", "failed" or "cancelled".
        progress: where the run is; None before the first tile.
        message: after a failure, what happened and what to do; after a success, what is unusual about it.
        log: lines for the user.
        output: the finished frames.
        report: what the run did; None before it is done, and for a propagation.
        texts: after the run, the text files of its folder, for a report about a problem.
        total: number of frames to do.

    Raises:
        InputError: the sequence does not have the frames that the settings name, or the worker cannot be made.
        OSError, StorageError: the worker cannot be started.
    """

    def __init__(
        self,
        request: RunRequest | PropagationRequest,
        makeWorker: MakeWorker,
        changed: Callable[["BackgroundRun"], None],
        shown: bool = True,
    ):
        self.request = request = request.atStart()
        self.state = "running"
        self.progress: Progress | None = None
        self.message = ""
        self.log: list[str] = []
        self.output = outputFor(request.model, request.source, request.frames)
        self.report: RunReport | None = None
        self.texts: dict[str, str] = {}
        self._changed = changed
        self._shown = shown
        self._frames = request.frames
        self._indexValues = self._frames.index.values
        self.log += self._frames.warnings
        self._grids: dict[int, ImageGrid] = {}
        self._toHandOver = deque(range(len(self._frames)))
        self._checkedAt: int | None = None
        self._events: deque[Event] = deque()
        self._notes: dict[str, str] = {}
        self.total = len(request.numbers(len(self._frames)))
        self._folder = request.makeFolder(self._indexValues)
        try:
            self._worker = makeWorker(request.module, self._folder, request.arguments)
            self._worker.start()
        except (InputError, OSError):
            self._folder.remove()
            raise
        self._timer = RepeatingTimer(TICK_MS, self._tick)
        self._timer.start()
        _going.add(self)

    @property
    def curve(self) -> VolumeCurve:
        """Return the segment volumes and quality flags of the frames finished so far."""
        return self.output.curve

    @property
    def outputIsChanged(self) -> bool:
        """Return whether the user has drawn, marked, renamed or coloured something in the finished frames."""
        outputNode = self.output.outputNode
        if drawnFrames(outputNode, emptied=True) or frameReviews(outputNode):
            return True
        frames = {value: self.output.sequenceNode.GetDataNodeAtValue(value) for value in self._notes}
        return any(node is not None and frameNotes(node) != self._notes[value] for value, node in frames.items())

    def wait(self, cancelled: Callable[[], bool]) -> None:
        """Return when the run has ended, without a turn of the event loop.

        Args:
            cancelled: asked again and again; once it returns True, the run is cancelled.
        """
        self._timer.stop()
        try:
            while self.state == "running":
                if cancelled():
                    self.cancel()
                else:
                    self._tick()
                    time.sleep(TICK_MS / 1000)
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """End the worker at once."""
        self._end("cancelled", _("Cancelled."))

    def abandon(self) -> None:
        """End the worker, and show nothing any more: the scene is closing."""
        self._changed = lambda run: None
        self._end("cancelled", "")

    def discard(self) -> None:
        """Remove the finished frames from the scene."""
        self.output.withdraw()

    def _tick(self) -> None:
        """Hand one frame over and show one finished frame, no more, so that the user never waits."""
        if self._toHandOver and self._inputChanged():
            self._end("failed", _("The input sequence was changed before all of it was read: start again."))
            return
        try:
            self.request.source.checkUnchanged()
            if self._toHandOver:
                number = self._toHandOver.popleft()
                image = self._frames[number].image
                self._grids[number] = ImageGrid.of(image)
                self._folder.write_frame(number, image)
            self._takeEvents()
        except (InputError, RunFailed, OSError) as error:
            self._end("failed", str(error))
        except Exception as error:
            self._end("failed", unexpected(error))
            raise
        if self.state == "running":
            self._changed(self)

    def _inputChanged(self) -> bool:
        """Return whether frames were added, removed or moved since the run began."""
        modified = self.request.source.sequenceNode.GetMTime()
        if modified == self._checkedAt:
            return False
        self._checkedAt = modified
        return self._frames.index.values != self._indexValues

    def _takeEvents(self) -> None:
        """Take the events of the worker, up to the next finished frame."""
        self._events.extend(self._worker.poll())
        while self._events and self.state == "running":
            event = self._events.popleft()
            self._take(event)
            if isinstance(event, FrameDone):
                break

    def _take(self, event: Event) -> None:
        match event:
            case Started(device):
                self.log.append(_("running on {device}").format(device=device))
            case Note(text):
                self.log.append(text)
            case Progress():
                self.progress = event
            case FrameDone():
                self.request.add(self.output, self._read(event), event.flags)
                node = self.output.sequenceNode.GetDataNodeAtValue(event.index_value)
                self._notes[event.index_value] = frameNotes(node)
                if self._shown and len(self.curve.frames) == 1:
                    self.output.publish()
            case Done(report):
                if report is not None:
                    self.report = report
                    self.log += [*report.warnings, _reportLine(report)]
                if len(self.curve.frames) < self.total:
                    raise RunFailed(_("The worker has ended without all frames: start again."))
                self.output.checkPlaces()
                texts = [self._replaceOutput() if self._shown else "", self.request.changes(self.curve)]
                self._end("done", " ".join(filter(None, texts)))
            case Failed(message, details):
                if details:
                    self.log.append(details)
                self._end("failed", message)

    def _read(self, event: FrameDone) -> SegmentedFrame:
        """Return a finished frame; raise a RunFailed if it is none of the input, as a faulty cluster may send it."""
        number = event.number
        known = number in range(len(self._indexValues)) and number not in self.curve.numbers
        if not known or event.index_value != self._indexValues[number]:
            raise RunFailed(
                _("The worker sent frame {number}, which it was not given: start again.").format(number=number)
            )
        self._frames.checkPlace(number)
        frame = self._folder.read_result(event)
        if sitk.GetArrayViewFromImage(frame.labels).max(initial=0) > len(self.curve.segments):
            raise RunFailed(_("Frame {number} has labels that are no segments: start again.").format(number=number))
        given = self._grids.get(number)
        if given is not None and not ImageGrid.of(frame.labels).is_same(given):
            raise RunFailed(_("The labels of frame {number} have another geometry: start again.").format(number=number))
        return frame

    def _replaceOutput(self) -> str:
        """Move the finished frames into the chosen output; return what the user must know, or an empty text."""
        outputNode, text = outputToReplace(self.request)
        if outputNode is not None:
            self.output.publish(outputNode)
        return text

    def _end(self, state: str, message: str) -> None:
        if self.state != "running":
            return
        if message or state == "done":  # otherwise, the scene is closing
            message = " ".join(filter(None, [message, self.request.elsewhere(self.output)]))
        self.state, self.message = state, message
        _going.discard(self)
        self._timer.stop()
        if message:
            self.log.append(message)
        self._worker.end()
        self.texts = self._folder.texts()
        self._folder.remove()
        self._changed(self)


def _reportLine(report: RunReport) -> str:
    """Return where, how and how long a run computed, as a line of the log."""
    return _("{seconds:.1f} s on {device} in {precision}, {tiles} tiles of {tile} a frame").format(
        seconds=sum(report.seconds.values()),
        device=report.device,
        precision=report.precision,
        tiles=report.tiles_per_frame,
        tile=" x ".join(map(str, report.tile or ())),
    )
