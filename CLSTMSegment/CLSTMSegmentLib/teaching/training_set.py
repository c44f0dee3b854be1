"""The training set of a teaching job: annotated frames of one or more sequences, in a folder.

training-set.json  settings, annotated frames and intensity windows, see `TrainingSet`
images/S-N.nrrd    frame N of sequence S
labels/S-N.nrrd    the annotation of that frame: 0 is no segment, n the n-th segment
preview.png        an annotated frame and what is found in it, while the job runs

Nothing here imports torch: Slicer writes a training set in its own process.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.atomic_write import replacing, write_text
from ..core.errors import InputError, StorageError, sitk_cause
from ..core.plain_files import read_text
from ..core.same_grid import check_same_grid
from ..core.sequence import Frame, check_frame
from ..engine.intensity_window import IntensityWindow, find_intensity_window
from ..io.image_files import read_image, write_image
from ..io.label_images import check_labels
from ..model.rules import IntensityRule
from .teaching_folders import check_no_job
from .teaching_settings import TeachingSettings

MARKS = ("partly", "slices", "drawn", "whole")
"""What `AnnotatedFrame.mark` can be, from the least to the most complete annotation."""

WARM_UP_FRAMES = 3
"""Number of frames before and after an annotated one that belong to it: the recurrent state reads them."""


@dataclass(frozen=True)
class AnnotatedFrame:
    """An annotated frame.

    Attributes:
        sequence: number of its sequence, from 0.
        number: number of the frame in its sequence, from 0.
        around: numbers of consecutive frames with the annotated one among them, at most `WARM_UP_FRAMES` on either
            side of it.
        mark: how complete the annotation is. "drawn": every segment that is drawn in this frame is complete, and
            nothing is known of the other segments. "whole": all segments are complete, and those that are not drawn
            do not occur. "slices": as "drawn", but only in the slices, of any of the three views, in which something is
            drawn; nothing is known of the other slices. "partly": only the drawn voxels are known.
    """

    sequence: int
    number: int
    around: tuple[int, ...]
    mark: str = "drawn"


@dataclass(frozen=True)
class TrainingSet:
    """What a teaching job learns from.

    Attributes:
        folder: the folder of the training set; the job keeps its checkpoints there too.
        settings: settings of the job.
        frames: the annotated frames.
        windows: the intensity window of each sequence, found in all of its frames, as in a run.
    """

    folder: Path
    settings: TeachingSettings
    frames: tuple[AnnotatedFrame, ...]
    windows: tuple[IntensityWindow, ...]

    @classmethod
    def read(cls, folder: Path) -> "TrainingSet":
        """Return what `write_training_set` wrote.

        Raises:
            InputError: there is no training set in the folder, or it is damaged.
        """
        path = _index_path(folder)
        if not path.exists():
            raise InputError(f"{folder} holds no training set")
        text = read_text(path)
        try:
            content = json.loads(text)
            return cls(
                folder,
                TeachingSettings.from_json(content["settings"]),
                tuple(AnnotatedFrame(**frame | {"around": tuple(frame["around"])}) for frame in content["frames"]),
                tuple(IntensityWindow(**w | {"rule": IntensityRule(**w["rule"])}) for w in content["windows"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(f"{path} is damaged ({error}): start the teaching job again") from error

    @property
    def drawn(self) -> list[int]:
        """Return the places in `frames` of those that were drawn, and not propagated."""
        propagated = self.settings.propagated_frames
        return [n for n, frame in enumerate(self.frames) if (frame.sequence, frame.number) not in propagated]

    def image(self, frame: AnnotatedFrame, number: int | None = None) -> sitk.Image:
        """Return the image of an annotated frame, or of another frame of its sequence.

        Args:
            number: one of `frame.around`; the annotated frame by default.

        Raises:
            InputError: the file cannot be read.
        """
        return read_image(_image_path(self.folder, frame.sequence, frame.number if number is None else number))

    def labels(self, frame: AnnotatedFrame) -> sitk.Image:
        """Return the annotation of a frame, uint8.

        Raises:
            InputError: the file cannot be read.
        """
        return read_image(_labels_path(self.folder, frame.sequence, frame.number))

    def read_frame(self, frame: AnnotatedFrame) -> tuple[list[sitk.Image], sitk.Image]:
        """Return the images of the frames around an annotated one, in the order of `frame.around`, and its annotation.

        Raises:
            InputError: a file cannot be read.
        """
        return [self.image(frame, number) for number in frame.around], self.labels(frame)

    def annotations(self) -> list[tuple[sitk.Image, sitk.Image]]:
        """Return the image and the annotation of each annotated frame, in the order of `frames`.

        Raises:
            InputError: a file cannot be read.
        """
        return [(self.image(frame), self.labels(frame)) for frame in self.frames]


def least_complete(marks: Iterable[str]) -> str:
    """Return how complete the frames are to which frames with these marks are propagated."""
    return min(marks, key=MARKS.index)


def write_training_set(
    folder: Path,
    settings: TeachingSettings,
    sequences: Sequence[tuple[Sequence[Frame], Mapping[int, sitk.Image]]],
    marks: Mapping[tuple[int, int], str] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> TrainingSet:
    """Write the training set of a teaching job into a new folder.

    Args:
        folder: the new folder; its parents are made where they are missing.
        settings: settings of the job.
        sequences: for each sequence its frames, and the label images of the annotated ones by frame number.
        marks: see `AnnotatedFrame.mark`, by (sequence, frame number); "drawn" for all other annotated frames.
        on_progress: called before each image is read or written, with the number of images before it and of all.

    Raises:
        InputError: the folder exists, nothing is annotated, a frame cannot be used, or a label image does not fit
            its frame.
        StorageError: the folder cannot be written.
    """
    check_no_job(folder, "resume the teaching job in it")
    annotations = [labels for _, by_number in sequences for labels in by_number.values()]
    if not any(sitk.GetArrayViewFromImage(labels).any() for labels in annotations):
        raise InputError("no frame is annotated: draw the segments in some frames first")
    frames = tuple(_annotated_frames(sequences, marks or {}, len(settings.segments)))
    if settings.initial is None and all(frame.mark == "partly" for frame in frames):
        raise InputError(
            "all annotated frames are drawn in part only, so that nothing says where there is no segment: draw one "
            "frame completely, or begin with a model that knows the segments"
        )
    to_write = sorted({(frame.sequence, n) for frame in frames for n in frame.around})
    total = sum(len(images) for images, _ in sequences) + len(to_write)
    steps = count()

    def report() -> None:
        on_progress(next(steps), total)

    rule = settings.intensity_rule()
    windows = tuple(_window_of(images, rule, report) for images, _ in sequences)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as partial:  # a training set that is written in part is never seen
            partial.mkdir(mode=0o700)  # the images may be those of a patient, and the folder of models a shared one
            for part in ("images", "labels"):
                (partial / part).mkdir()
            for s, n in to_write:
                report()
                write_image(_image_path(partial, s, n), sequences[s][0][n].image)
            for frame in frames:
                labels = sitk.Cast(sequences[frame.sequence][1][frame.number], sitk.sitkUInt8)
                write_image(_labels_path(partial, frame.sequence, frame.number), labels, compressed=True)
            content = {
                "settings": asdict(settings),
                "frames": [asdict(frame) for frame in frames],
                "windows": [asdict(window) for window in windows],
            }
            write_text(_index_path(partial), json.dumps(content, indent=1))
    except OSError as error:
        raise StorageError(f"the training set cannot be written to {folder} ({error.strerror or error})") from error
    except RuntimeError as error:
        raise StorageError(f"the training set cannot be written to {folder} ({sitk_cause(error)})") from error
    return TrainingSet(folder, settings, frames, windows)


def _annotated_frames(
    sequences: Sequence[tuple[Sequence[Frame], Mapping[int, sitk.Image]]],
    marks: Mapping[tuple[int, int], str],
    segments: int,
) -> Iterable[AnnotatedFrame]:
    for s, (images, annotations) in enumerate(sequences):
        for t, labels in sorted(annotations.items()):
            if not 0 <= t < len(images):
                raise InputError(f"frame {t} is annotated, but the sequence has frames 0 to {len(images) - 1}")
            around = range(max(t - WARM_UP_FRAMES, 0), min(t + WARM_UP_FRAMES + 1, len(images)))
            frame = AnnotatedFrame(s, t, tuple(around), marks.get((s, t), "drawn"))
            _check_annotation(frame, images[t], labels, segments)
            yield frame


def _check_annotation(annotated: AnnotatedFrame, frame: Frame, labels: sitk.Image, segments: int) -> None:
    name = f"frame {annotated.number} ({frame.index_value})"
    if annotated.mark not in MARKS:
        raise InputError(f"{name}: {annotated.mark!r} is none of {', '.join(MARKS)}")
    check_labels(labels, name, segments)
    check_same_grid(frame.image, labels, name)
    if annotated.mark != "whole" and not sitk.GetArrayViewFromImage(labels).any():
        raise InputError(f"{name}: nothing is drawn in it")


def _window_of(images: Sequence[Frame], rule: IntensityRule, report: Callable[[], None]) -> IntensityWindow:
    def voxels() -> Iterable[np.ndarray]:
        for number, frame in enumerate(images):
            report()
            check_frame(frame, number)
            yield sitk.GetArrayFromImage(frame.image)

    return find_intensity_window(rule, voxels())


def _index_path(folder: Path) -> Path:
    return folder / "training-set.json"


def _image_path(folder: Path, sequence: int, number: int) -> Path:
    return folder / "images" / f"{sequence}-{number}.nrrd"


def _labels_path(folder: Path, sequence: int, number: int) -> Path:
    return folder / "labels" / f"{sequence}-{number}.nrrd"
