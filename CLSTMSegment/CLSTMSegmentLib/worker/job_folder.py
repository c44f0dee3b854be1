"""The folder of a run or a propagation: every path in it, and everything that is written to it or read from it.

index-values.json  the index values of all frames of the sequence
frames/N.nrrd      the input frames, which may arrive while the worker runs
annotations/N.nrrd of a propagation: the labels of the annotated frames
results/N.nrrd     the labels of the finished frames

See `work_folder` for what the folder of every worker has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import SimpleITK as sitk

from ..core.atomic_write import write_text
from ..core.errors import InputError
from ..core.sequence import SegmentedFrame
from ..core.volume_curve import Flag
from ..engine.settings import RunSettings
from ..io.detached_voxels import voxel_files
from ..io.image_files import read_image, write_image
from ..model.description import Model
from .events import FrameDone
from .work_folder import SegmentFolder, storing


class JobFolder(SegmentFolder):
    """The folder of a run or a propagation: its settings, the frames that come in and the results that go out."""

    @classmethod
    def make(
        cls,
        settings: RunSettings | None,
        index_values: list[str],
        parent: Path | None = None,
        model: Model | None = None,
    ) -> JobFolder:
        """Make the folder of a new run or propagation; see `make_own`.

        Args:
            index_values: index values of all frames of the sequence, verbatim.
        """
        folder = cls.make_own(settings, parent, model)
        folder.make_parts()
        write_text(folder._index_values_path, json.dumps(index_values))
        return folder

    def make_parts(self) -> None:
        """Make the folders of input frames, annotations and results, where they are missing."""
        for part in (self._frames_path, self._annotations_path, self._results_path):
            part.mkdir(exist_ok=True)

    def index_values(self) -> list[str]:
        """Return the index values of all frames of the sequence."""
        return json.loads(self._index_values_path.read_text(encoding="utf-8"))

    def write_frame(self, number: int, image: sitk.Image) -> None:
        """Hand an input frame to the worker, before it starts or while it runs.

        Raises:
            StorageError: the frame cannot be written.
        """
        with storing(f"frame {number}", self._frames_path):
            write_image(self._frame_path(number), image)

    def has_frame(self, number: int) -> bool:
        """Return whether an input frame has arrived."""
        return self._frame_path(number).exists()

    def read_frame(self, number: int) -> sitk.Image:
        """Return an input frame that has arrived.

        Raises:
            InputError: its file is damaged.
        """
        return read_image(self._frame_path(number))

    def write_annotation(self, number: int, labels: sitk.Image) -> None:
        """Hand the labels of an annotated frame to the worker, before it starts.

        Raises:
            StorageError: they cannot be written.
        """
        with storing(f"the annotation of frame {number}", self._annotations_path):
            write_image(self._annotations_path / f"{number}.nrrd", labels, compressed=True)

    def annotations(self) -> dict[int, sitk.Image]:
        """Return the labels of the annotated frames by frame number.

        Raises:
            InputError: a file is damaged.
        """
        return {int(path.stem): read_image(path) for path in self._annotations_path.glob("*.nrrd")}

    def write_result(self, frame: SegmentedFrame, flags: Sequence[Flag] = ()) -> None:
        """Write a finished frame, then report it as an event.

        Args:
            flags: see `FrameDone.flags`.

        Raises:
            StorageError: the frame cannot be written.
        """
        with storing(f"frame {frame.number} ({frame.index_value}) is done but", self._results_path):
            write_image(self._result_path(frame.number), frame.labels, compressed=True)
        self.append(FrameDone(frame.number, frame.index_value, frame.out_of_distribution, tuple(flags)))

    def read_result(self, event: FrameDone) -> SegmentedFrame:
        """Return the finished frame that an event reports.

        Raises:
            InputError: its file is damaged, or holds no labels of a frame.
        """
        path = self._result_path(event.number)
        labels = None if voxel_files(path) else read_image(path)  # a file of a cluster must not name another file
        if labels is None or labels.GetDimension() != 3 or labels.GetPixelID() != sitk.sitkUInt8:
            raise InputError(f"the worker gave no labels for frame {event.number}: start again")
        return SegmentedFrame(event.number, event.index_value, labels, event.out_of_distribution)

    @property
    def _index_values_path(self) -> Path:
        return self.path / "index-values.json"

    @property
    def _frames_path(self) -> Path:
        return self.path / "frames"

    @property
    def _annotations_path(self) -> Path:
        return self.path / "annotations"

    @property
    def _results_path(self) -> Path:
        return self.path / "results"

    def _frame_path(self, number: int) -> Path:
        return self._frames_path / f"{number}.nrrd"

    def _result_path(self, number: int) -> Path:
        return self._results_path / f"{number}.nrrd"
