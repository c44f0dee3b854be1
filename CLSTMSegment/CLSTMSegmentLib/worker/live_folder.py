"""The folder of a live segmentation: frames are handed to its worker one by one, and their labels come back.

What the folder of every worker that segments has, and:

frames.jsonl  the frames that were handed over, see `events.FrameArrived`
frame.raw     the voxels of the newest of them
labels.raw    its labels, uint8, in the box that `events.LiveFrameDone` names

The next frame is handed over only after the worker has answered the one before, so that neither file is read while it
is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.boxes import size_of
from ..core.errors import InputError
from ..core.own_folder import OwnFolder
from ..core.sequence import Frame
from .event_file import EventFile
from .events import FrameArrived, LiveFrameDone
from .work_folder import SegmentFolder, storing

WAIT_S = 0.002
"""Seconds between two looks of the worker for the next frame."""


class LiveFolder(SegmentFolder):
    """The folder of a live segmentation; `make_own` makes it."""

    def __init__(self, own_folder: OwnFolder | Path):
        super().__init__(own_folder)
        self._frames = EventFile(self.path / "frames.jsonl")

    def write_frame(self, frame: FrameArrived, voxels: np.ndarray) -> None:
        """Hand a frame to the worker, which has answered the frame before.

        Args:
            frame: what the frame is.
            voxels: its voxels (k, j, i), contiguous; they are not copied.

        Raises:
            StorageError: the frame cannot be written.
        """
        with storing(f"frame {frame.number}", self.path):
            _write(self.path / "frame.raw", voxels)
            self._frames.append(frame)

    def frames(self) -> Iterator[tuple[FrameArrived, Frame | InputError]]:
        """Yield what each frame that arrives is, and the frame or why it cannot be read; wait for the next one.

        The worker answers each one before it asks for the next one.
        """
        while True:
            arrived = self._frames.new_events()
            if not arrived:
                time.sleep(WAIT_S)
            for frame in arrived:
                try:
                    yield frame, Frame(self._read_frame(frame), frame.index_value)
                except InputError as error:
                    yield frame, error

    def _read_frame(self, frame: FrameArrived) -> sitk.Image:
        try:
            # mapped, so that the voxels are copied once
            voxels = np.memmap(self.path / "frame.raw", np.dtype(frame.voxel_type), "r", shape=frame.grid.size[::-1])
            return frame.grid.place(sitk.GetImageFromArray(voxels))
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise InputError(f"frame {frame.number} cannot be read by the worker: {error}") from error

    def write_result(self, done: LiveFrameDone, labels: np.ndarray) -> None:
        """Answer a frame.

        Args:
            done: what was found.
            labels: uint8 (D, H, W), those in the box.

        Raises:
            StorageError: the labels cannot be written.
        """
        with storing(f"frame {done.number} is done but", self.path):
            _write(self.path / "labels.raw", np.ascontiguousarray(labels))
            self._events.append(done)

    def read_result(self, done: LiveFrameDone) -> np.ndarray:
        """Return the labels of the frame that was answered last, uint8 (D, H, W), in its box.

        Raises:
            InputError: their file is damaged.
        """
        shape = size_of(done.box)
        labels = np.fromfile(self.path / "labels.raw", np.uint8)
        if labels.size != np.prod(shape):
            raise InputError(f"the labels of frame {done.number} are damaged on their way from the worker")
        return labels.reshape(shape)


def _write(path: Path, voxels: np.ndarray) -> None:
    """Write voxels to a file, whose space on the disk is used again."""
    with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
        file.truncate(voxels.nbytes)
        view = voxels.reshape(-1).view(np.uint8).data
        while view.nbytes:  # the system may write less at once
            view = view[file.write(view) :]
