"""A run in the background: the worker is fed and followed by a timer, and its frames show as they come."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import qt
from slicer.i18n import tr as _

from ..core.errors import InputError, sitk_cause
from ..core.sequence import SegmentedFrame
from ..engine.quality import Flag, all_flags, frame_flags
from ..model.description import Model
from ..scene.inputs import SequenceFrames, SequenceInput
from ..scene.outputs import SegmentationOutput
from ..worker.job_folder import Job
from ..worker.worker_process import JobRunner

TICK_MS = 20


@dataclass
class Request:
    """What is to be run: on what, with what, into which output (None: a new one)."""

    source: SequenceInput
    model: Model
    job: Job
    outputNode: object | None


class BackgroundRun:
    """One request in a worker process.

    Once it has ended without being done, finished frames stay in the scene unless `discard` takes them out.

    Args:
        python: the interpreter of the worker.
        changed: called whenever there is something new to show.

    Attributes:
        state: "running", then "done", "failed" or "cancelled".
        progress: the last progress event.
        message: after a failure, what happened and what to do.
        numbers: of the finished frames, in order.
    """

    def __init__(self, request: Request, python: str, changed: Callable[["BackgroundRun"], None]):
        self.request = request
        self.state = "running"
        self.progress: dict | None = None
        self.message = ""
        self.log: list[str] = []
        self.numbers: list[int] = []
        self.output = SegmentationOutput(request.model, request.source)
        self._frameFlags: list[Flag] = []
        self._changed = changed
        self._frames = SequenceFrames(request.source.sequenceNode)
        self._toPut = deque(range(len(self._frames)))
        self._checkedAt: int | None = None
        self._events: deque[dict] = deque()
        self._runner = JobRunner(request.job, python)
        self._runner.start()
        self._timer = qt.QTimer()
        self._timer.interval = TICK_MS
        self._timer.connect("timeout()", self._tick)
        self._timer.start()

    @property
    def flags(self) -> list[Flag]:
        """Signs of finished frames that need a look, by frame."""
        volumes = [ml for _value, ml in self.output.volumes]
        segments = [segment.name for segment in self.request.model.segments]
        return all_flags(self._frameFlags, self.numbers, volumes, segments)

    def cancel(self) -> None:
        """End the worker at once."""
        self._end("cancelled", _("Cancelled."))

    def abandon(self) -> None:
        """End the worker and forget the scene: it is going away."""
        self._changed = lambda run: None
        self._end("cancelled", "")

    def discard(self) -> None:
        """Take the frames that were finished out of the scene again."""
        self.output.withdraw()

    def _tick(self) -> None:
        """A little work at a time, so that the user never waits: one frame in, or one frame out."""
        if self.request.source.sequenceNode.GetScene() is None:
            self._end("failed", _("The input sequence was removed during the run."))
        elif self._toPut and self._inputChanged():
            self._end("failed", _("The input sequence was changed before all of it was read: segment it again."))
        elif self._toPut:
            self._putFrame(self._toPut.popleft())
        if self.state == "running":
            self._events.extend(self._runner.poll())
        while self._events and self.state == "running":
            event = self._events.popleft()
            self._handle(event)
            if event["event"] == "frame":
                break
        if self.state == "running":
            self._changed(self)

    def _inputChanged(self) -> bool:
        """Whether frames were added, removed or moved since the run began."""
        sequenceNode = self.request.source.sequenceNode
        modified = sequenceNode.GetMTime()
        if modified == self._checkedAt:
            return False
        self._checkedAt = modified
        values = [sequenceNode.GetNthIndexValue(n) for n in range(sequenceNode.GetNumberOfDataNodes())]
        return values != self.request.job.index_values

    def _putFrame(self, number: int) -> None:
        try:
            self._runner.put_frame(number, self._frames[number].image)
        except (InputError, OSError) as error:
            self._end("failed", str(error))
        except RuntimeError as error:  # of SimpleITK
            self._end(
                "failed",
                _("Frame {number} cannot be handed to the worker: is the disk full? ({error})").format(
                    number=number, error=sitk_cause(error)
                ),
            )

    def _handle(self, event: dict) -> None:
        if event["event"] == "started":
            self.log.append(_("running on {device}").format(device=event["device"]))
        elif event["event"] == "progress":
            self.progress = event
        elif event["event"] == "frame":
            self._show(event["number"], event["index_value"], tuple(event["unfamiliar"]))
        elif event["event"] == "done":
            self.log += event["report"]["warnings"]
            outputNode = self.request.outputNode
            if outputNode is not None and outputNode.GetScene() is not None:  # it may have been removed meanwhile
                self.output.publish(outputNode)
            self._end("done", "")
        elif event["event"] == "failed":
            if event["details"]:
                self.log.append(event["details"])
            self._end("failed", event["message"])

    def _show(self, number: int, indexValue: str, unfamiliar: tuple[str, ...]) -> None:
        frame = SegmentedFrame(number, indexValue, self._runner.result(number), unfamiliar)
        self.output.add(frame)
        if not self.numbers:
            self.output.publish()
        self.numbers.append(number)
        self._frameFlags += frame_flags(frame, [segment.name for segment in self.request.model.segments])

    def _end(self, state: str, message: str) -> None:
        if self.state != "running":
            return
        self.state, self.message = state, message
        self._timer.stop()
        if message:
            self.log.append(message)
        self._runner.close()
        self._changed(self)
