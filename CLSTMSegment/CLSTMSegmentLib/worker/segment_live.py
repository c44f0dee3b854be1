"""The worker process of a live segmentation: `python -m CLSTMSegmentLib.worker.segment_live FOLDER`.

It keeps the model loaded, and segments the frames that arrive in a live folder until it is ended. When its parent
process ends, it removes the folder and ends too.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from ..core.boxes import Box, bounding_box
from ..core.errors import InputError
from ..core.sequence import SegmentedFrame
from ..engine.quality import volumes_of_voxels
from .events import FrameRefused, LiveFrameDone, Note, Started
from .live_folder import LiveFolder
from .parent_process import work_for_parent

if TYPE_CHECKING:
    from ..engine.stream import SegmentationStream

NO_BOX: Box = ((0, 0),) * 3
"""The box of a frame without any label."""


def segment_live(folder: LiveFolder) -> None:
    """Segment the frames that arrive in a live folder as its settings say, and answer each one by an event."""
    from ..engine.segmenter import Segmenter  # with torch, which takes seconds to import

    segmenter = Segmenter(folder.load_model(), folder.settings())
    stream = segmenter.open_stream()
    folder.append(Started(segmenter.report.device))
    for arrived, frame in folder.frames():
        number = arrived.number
        if isinstance(frame, InputError):
            folder.append(FrameRefused(number, str(frame)))
            continue
        try:
            stream.move_region(arrived.region)
            result = stream.push(frame.image, frame.index_value)
        except InputError as error:
            folder.append(FrameRefused(number, str(error)))
            continue
        _tell_warnings(folder, stream)
        _answer(folder, number, result, stream.latency.newest, len(segmenter.model.segments))


def _tell_warnings(folder: LiveFolder, stream: "SegmentationStream") -> None:
    for warning in stream.warnings:
        folder.append(Note(warning))
    stream.warnings.clear()


def _answer(folder: LiveFolder, number: int, result: SegmentedFrame, seconds: float, segments: int) -> None:
    """Hand the labels back, as few voxels as possible, and what would take the panel time to find out."""
    labels = sitk.GetArrayViewFromImage(result.labels)
    box = bounding_box(labels) or NO_BOX
    part = labels[tuple(slice(start, stop) for start, stop in box)]
    ml = tuple(volumes_of_voxels(part, result.labels.GetSpacing(), segments))
    folder.write_result(LiveFrameDone(number, box, ml, seconds, result.out_of_distribution), part)


def main(path: Path) -> int:
    """Do the live segmentation in a folder, and return the exit status once it failed."""
    folder = LiveFolder(path)
    return work_for_parent(folder, lambda: segment_live(folder), clean_up=folder.remove)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
