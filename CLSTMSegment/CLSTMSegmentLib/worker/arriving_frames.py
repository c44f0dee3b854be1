"""The input frames of a worker process, which arrive in its job folder while it works."""

import time
from collections.abc import Sequence

from ..core.errors import InputError
from ..core.sequence import Frame
from .job_folder import JobFolder

WAIT_S = 0.01
"""Seconds between two looks for a frame that has not arrived yet."""


class ArrivingFrames(Sequence):
    """The input frames in a job folder; reading one that has not arrived yet waits for it."""

    def __init__(self, folder: JobFolder):
        self._folder = folder
        self._index_values = folder.index_values()

    def __len__(self) -> int:
        return len(self._index_values)

    def __getitem__(self, number: int) -> Frame:
        if not 0 <= number < len(self):
            raise IndexError(number)
        while not self._folder.has_frame(number):
            time.sleep(WAIT_S)
        value = self._index_values[number]
        try:
            return Frame(self._folder.read_frame(number), value)
        except InputError as error:
            raise InputError(f"frame {number} ({value}) cannot be read by the worker: {error}") from error
