"""A lesson: annotated frames of one or more sequences in a folder, from which a model is taught.

lesson.json     what is to be taught, see `Lesson`
images/S-N.nrrd frame N of sequence S
labels/S-N.nrrd what was drawn in it: 0 nothing, n the n-th segment
preview.png     while it is learnt: an annotated frame, and what is found in it
wish            what the user wishes meanwhile: "pause", "stop" or nothing
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.atomic_write import replacing
from ..core.errors import InputError
from ..core.segment import Segment
from ..core.sequence import Frame, check_frame
from ..io.image_files import write_image
from ..model.description import check_name

PREVIEW, WISH = "preview.png", "wish"

MARKS = ("drawn", "whole", "slices", "partly")
REACH = 3
"""Frames before and after an annotated one that are read with it, for the memory."""

MOST_SEGMENTS = 7


@dataclass(frozen=True)
class TaughtFrame:
    """An annotated frame.

    Attributes:
        sequence, number: which one.
        around: numbers of consecutive frames with it in their midst, REACH on either side at most.
        mark: what the drawing says. "drawn": every segment drawn in this frame is complete, and nothing
            is known of those that are not; "whole": all segments are complete, those not drawn are not
            there; "slices": as "drawn", but only in the slices in which something is drawn, while nothing
            is known of the others; "partly": only the drawn voxels are known.
    """

    sequence: int
    number: int
    around: tuple[int, ...]
    mark: str = "drawn"


@dataclass(frozen=True)
class Lesson:
    """What is to be taught.

    Attributes:
        name: of the model that will come of it.
        segments: its segments; label n is the n-th.
        frames: the annotated ones.
        initial: model to begin with; None to begin from nothing.
        minutes: how long it may take.
        check: whether some of that time tells how good it is, by leaving frames out.
    """

    name: str
    segments: tuple[Segment, ...]
    frames: tuple[TaughtFrame, ...] = ()
    initial: str | None = None
    minutes: float = 8.0
    device: str = "auto"
    check: bool = True

    def __post_init__(self):
        check_name(self.name)
        if not self.segments:
            raise InputError("nothing is drawn: draw at least one segment in at least one frame")
        if len(self.segments) > MOST_SEGMENTS:
            raise InputError(f"{len(self.segments)} segments are too many: at most {MOST_SEGMENTS} can be taught")
        if not self.minutes > 0:
            raise InputError(f"the minutes must be above 0, not {self.minutes}")

    @classmethod
    def read(cls, folder: Path) -> "Lesson":
        """What `write_lesson` wrote.

        Raises:
            InputError: there is none, or it is damaged.
        """
        path = folder / "lesson.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["segments"] = tuple(Segment(**s | {"color": tuple(s["color"])}) for s in content["segments"])
            content["frames"] = tuple(TaughtFrame(**f | {"around": tuple(f["around"])}) for f in content["frames"])
            return cls(**content)
        except OSError as error:
            raise InputError(f"{folder} holds no lesson ({error.strerror})") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path} is damaged ({error}): begin the lesson anew") from error


def write_lesson(
    folder: Path,
    lesson: Lesson,
    sequences: Sequence[tuple[Sequence[Frame], dict[int, sitk.Image]]],
    marks: dict[tuple[int, int], str] | None = None,
) -> Lesson:
    """Write a lesson into a new folder.

    Args:
        lesson: without its frames.
        sequences: for each, its frames, and label images by number of the annotated ones.
        marks: of annotated frames, by sequence and number; "drawn" for all others.

    Returns:
        The lesson with its frames.

    Raises:
        InputError: the folder exists, nothing is annotated, or a label image does not fit its frame.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already: go on with the lesson in it, or remove it")
    if not any(annotations for _, annotations in sequences):
        raise InputError("no frame is annotated: draw the segments in some frames first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    taught = []
    with replacing(folder) as partial:  # one that breaks off half-way is never seen
        for name in ("images", "labels"):
            (partial / name).mkdir(parents=True)
        for s, (frames, annotations) in enumerate(sequences):
            for t, labels in sorted(annotations.items()):
                if not 0 <= t < len(frames):
                    raise InputError(f"frame {t} is annotated, but the sequence has frames 0 to {len(frames) - 1}")
                mark = (marks or {}).get((s, t), "drawn")
                _check_labels(labels, frames[t], t, len(lesson.segments), mark)
                around = tuple(range(max(t - REACH, 0), min(t + REACH + 1, len(frames))))
                taught.append(TaughtFrame(s, t, around, mark))
                write_image(labels_path(partial, s, t), sitk.Cast(labels, sitk.sitkUInt8), compressed=True)
            for t in sorted({n for frame in taught if frame.sequence == s for n in frame.around}):
                check_frame(frames[t], t)
                write_image(image_path(partial, s, t), frames[t].image)
        lesson = replace(lesson, frames=tuple(taught))
        (partial / "lesson.json").write_text(json.dumps(asdict(lesson), indent=1), encoding="utf-8")
    return lesson


def _check_labels(labels: sitk.Image, frame: Frame, number: int, segments: int, mark: str) -> None:
    if mark not in MARKS:
        raise InputError(f"frame {number} ({frame.index_value}): {mark!r} is none of {', '.join(MARKS)}")
    if labels.GetSize() != frame.image.GetSize():
        raise InputError(
            f"frame {number} ({frame.index_value}) has {frame.image.GetSize()} voxels, its annotation "
            f"{labels.GetSize()}: draw on the frame's own grid"
        )
    values = np.unique(sitk.GetArrayViewFromImage(labels))
    if values.size == 1 and values[0] == 0 and mark != "whole":
        raise InputError(f"frame {number} ({frame.index_value}): nothing is drawn in it")
    if values.min() < 0 or values.max() > segments or not np.array_equal(values, values.astype(int)):
        raise InputError(f"frame {number} ({frame.index_value}): labels must be whole numbers from 0 to {segments}")


def image_path(folder: Path, sequence: int, number: int) -> Path:
    """Where a frame lies."""
    return folder / "images" / f"{sequence}-{number}.nrrd"


def labels_path(folder: Path, sequence: int, number: int) -> Path:
    """Where the labels of an annotated frame lie."""
    return folder / "labels" / f"{sequence}-{number}.nrrd"


def lesson_folder(models: Path, name: str) -> Path:
    """Where the lesson of a model lies until it is learnt: beside it."""
    return models / f".{name}.lesson"
