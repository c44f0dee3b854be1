"""Propagation: the labels of all frames from those of one or a few annotated frames."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import SimpleITK as sitk

from ..core.boxes import Box, bounding_box, union, with_margin
from ..core.errors import Cancelled, InputError
from ..core.progress import Progress
from ..core.same_grid import ImageGrid, check_same_grid
from ..core.sequence import Frame, SegmentedFrame, check_frame
from ..core.volume_curve import IMAGE, Flag
from ..engine.intensity_window import IntensityWindow, find_intensity_window
from ..model.rules import IntensityRule
from .gaps import Gap, gaps_between
from .registration import Registration, correlation, moved

MARGIN_MM = 40.0
"""Margin around the structures of the annotated frames in which frames are registered."""

INTENSITY = IntensityRule("percentile", 1.0, 99.5)
"""How the intensities of all frames are scaled, from those of an annotated one."""

LEAST_AGREEMENT = 0.85
LEAST_SIMILARITY = 0.85
"""Frames below one of them are flagged; cines of hearts have at least 0.95 and 0.91."""

LEAST_PART_OF_SIMILARITY = 0.5
"""A frame that is less than this times as similar as the one before it, such as one without a signal, is not used to
begin the registration of the next one."""


@dataclass(frozen=True)
class PropagatedFrame:
    """A frame to which annotations were propagated.

    Attributes:
        result: its number, index value and labels. In an annotated frame, the labels are the annotation.
        agreement: mean Dice between the labels from the annotated frame before it and from the one after it; None
            where there is only one of them.
        similarity: greatest correlation coefficient between the image and an annotated image that was deformed to it,
            near the structures; 1 for an annotated frame.
    """

    result: SegmentedFrame
    agreement: float | None
    similarity: float

    def flags(self) -> list[Flag]:
        """Return a quality flag for each sign that the labels may be wrong."""
        signs = []
        if self.agreement is not None and self.agreement < LEAST_AGREEMENT:
            signs.append(f"the annotations before and after it give different labels (Dice {self.agreement:.2f})")
        if self.similarity < LEAST_SIMILARITY:
            signs.append(f"it differs from the deformed annotated frames (correlation {self.similarity:.2f})")
        return [Flag(self.result.number, IMAGE, sign) for sign in signs]


@dataclass(frozen=True)
class _Reached:
    """What comes from one annotated frame into another frame: the part of each label in each voxel, (labels, k, j, i),
    and the similarity of the images."""

    parts: np.ndarray
    similarity: float


class Propagator:
    """Propagates the annotations of a sequence to its other frames.

    Args:
        frames: the whole sequence; its frames have one geometry. Each is read several times, so that RAM need not hold
            them all; what stays in RAM is the labels inside the margin.
        annotations: label images by the number of the annotated frame, each complete; at least one.
        cyclic: whether the first frame follows the last one, as in a heartbeat.

    Raises:
        InputError: see `check_annotations`.
    """

    def __init__(self, frames: Sequence[Frame], annotations: Mapping[int, sitk.Image], cyclic: bool = False):
        check_annotations(frames, annotations)
        self._frames = frames
        self._annotations = {number: sitk.Cast(labels, sitk.sitkUInt8) for number, labels in annotations.items()}
        self._cyclic = cyclic
        arrays = [sitk.GetArrayViewFromImage(labels) for labels in self._annotations.values()]
        self._labels = sorted({int(value) for array in arrays for value in np.unique(array)} - {0})
        self._box = self._box_of_structures(arrays)
        self._window = IntensityWindow(0.0, 1.0, INTENSITY)

    @property
    def greatest_label(self) -> int:
        """Return the greatest label that occurs in an annotated frame."""
        return self._labels[-1]

    def run(
        self,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[PropagatedFrame]:
        """Propagate.

        Args:
            progress: called after every registration, of which each frame between two annotated ones needs two.
            cancelled: called before every registration; `Cancelled` is raised once it returns True.

        Yields:
            All frames of the sequence in order.

        Raises:
            InputError: a frame cannot be used, or differs in geometry from the annotated ones; before anything is
                yielded.
            Cancelled: `cancelled` returned True.
        """
        self._check_frames()
        gaps = list(gaps_between(self._annotations, len(self._frames), self._cyclic))
        registrations = sum(len(gap.frames) * gap.sides for gap in gaps)
        clock = _Clock(registrations, len(self._frames), progress, cancelled)
        done: dict[int, PropagatedFrame] = {}
        waiting = {number: gap for gap in gaps for number in gap.frames}
        for number in range(len(self._frames)):
            if number in self._annotations:
                yield self._annotated(number)
                continue
            if number not in done:
                done |= self._filled(waiting[number], clock)
            yield done.pop(number)

    def _annotated(self, number: int) -> PropagatedFrame:
        frame = self._frames[number]
        labels = sitk.Image(self._annotations[number])
        labels.CopyInformation(frame.image)  # it may lie a tiny bit beside it
        return PropagatedFrame(SegmentedFrame(number, frame.index_value, labels), None, 1.0)

    def _filled(self, gap: Gap, clock: "_Clock") -> dict[int, PropagatedFrame]:
        """Return the frames of a gap by their numbers."""
        forwards = {} if gap.before is None else self._reached(gap.before, gap.frames, clock)
        backwards = {} if gap.after is None else self._reached(gap.after, gap.frames[::-1], clock)
        return {
            number: self._blended(number, forwards.get(number), backwards.get(number), gap.weight_of_before(place))
            for place, number in enumerate(gap.frames)
        }

    def _reached(self, annotated: int, numbers: Iterable[int], clock: "_Clock") -> dict[int, _Reached]:
        """Return what comes from an annotated frame into frames that lie further and further away from it in time."""
        image = self._image(annotated)
        labels = self._cropped(self._annotations[annotated])
        registration = Registration(image)
        near = sitk.GetArrayFromImage(sitk.BinaryDilate(labels > 0, [3, 3, 1])) > 0
        found, begin, similar = {}, None, 1.0
        for number in numbers:
            clock.begin_registration()
            frame = self._image(number)
            displacements = registration.displacements(frame, begin)
            parts = [moved(sitk.Cast(labels == n, sitk.sitkFloat32), displacements, frame) for n in self._labels]
            deformed = moved(image, displacements, frame)
            region = near | (sum(parts) > 0.5)
            similarity = correlation(deformed[region], sitk.GetArrayViewFromImage(frame)[region])
            if similarity >= LEAST_PART_OF_SIMILARITY * similar:
                begin, similar = displacements, similarity
            found[number] = _Reached((255 * np.stack(parts)).round().astype(np.uint8), similarity)
            clock.end_registration()
        return found

    def _blended(self, number: int, before: _Reached | None, after: _Reached | None, weight: float) -> PropagatedFrame:
        reached = [one for one in (before, after) if one is not None]
        weights = [weight, 1 - weight] if len(reached) == 2 else [1.0]
        parts = sum(w * one.parts.astype(np.float32) / 255 for w, one in zip(weights, reached, strict=True))
        agreement = None
        if len(reached) == 2:
            a, b = (self._labels_of(one.parts.astype(np.float32) / 255) for one in reached)
            agreement = _agreement(a, b)
        frame = self._frames[number]
        labels = self._in_frame(self._labels_of(parts), frame.image)
        result = SegmentedFrame(number, frame.index_value, labels)
        return PropagatedFrame(result, agreement, max(one.similarity for one in reached))

    def _labels_of(self, parts: np.ndarray) -> np.ndarray:
        """Return the label with the largest part in each voxel, 0 where the background has the largest."""
        background = 1 - parts.sum(0)
        best = parts.argmax(0)
        return np.where(parts.max(0) > background, np.array(self._labels, np.uint8)[best], 0).astype(np.uint8)

    def _box_of_structures(self, arrays: list[np.ndarray]) -> Box:
        """Return the box (k, j, i) of the structures in all annotated frames, and the margin."""
        image = self._frames[next(iter(self._annotations))].image
        box = None
        for array in arrays:
            found = bounding_box(array > 0)
            if found is not None:
                box = found if box is None else union(box, found)
        # a spacing that was written to a file and read may differ in its last digits
        margins = tuple(ceil(round(MARGIN_MM / step, 6)) for step in image.GetSpacing()[::-1])
        return with_margin(box, margins, image.GetSize()[::-1])

    def _check_frames(self) -> None:
        """Check all frames, and measure the intensities of the annotated ones."""
        annotated = next(iter(self._annotations))
        grid = ImageGrid.of(self._frames[annotated].image)
        for number in range(len(self._frames)):
            frame = self._frames[number]
            check_frame(frame, number)
            if not grid.is_same(ImageGrid.of(frame.image)):
                raise InputError(
                    f"frame {number} differs in geometry from the annotated frame {annotated}: resample all frames to "
                    "one geometry first"
                )
        around = sitk.GetArrayFromImage(self._cropped(self._frames[annotated].image))
        self._window = find_intensity_window(INTENSITY, [around])
        if not self._window.has_contrast:
            raise InputError(f"frame {annotated} has no contrast around the annotation: nothing can be followed")

    def _image(self, number: int) -> sitk.Image:
        """Return the image of a frame inside the box, float32, scaled to [0, 1], without direction and origin."""
        array = self._window.apply(sitk.GetArrayFromImage(self._cropped(self._frames[number].image)))
        image = sitk.GetImageFromArray(np.nan_to_num(array))
        image.SetSpacing(self._frames[number].image.GetSpacing())
        return image

    def _cropped(self, image: sitk.Image) -> sitk.Image:
        """Return an image inside the box, without direction and origin."""
        (k0, k1), (j0, j1), (i0, i1) = self._box
        cropped = image[i0:i1, j0:j1, k0:k1]
        cropped.SetOrigin((0.0, 0.0, 0.0))
        cropped.SetDirection(np.eye(3).ravel().tolist())
        return cropped

    def _in_frame(self, labels: np.ndarray, image: sitk.Image) -> sitk.Image:
        """Return labels inside the box as a label image on the grid of a frame."""
        whole = np.zeros(image.GetSize()[::-1], np.uint8)
        whole[tuple(slice(*edge) for edge in self._box)] = labels
        result = sitk.GetImageFromArray(whole)
        result.CopyInformation(image)
        return result


def check_annotations(frames: Sequence[Frame], annotations: Mapping[int, sitk.Image]) -> None:
    """Raise an InputError unless annotations can be propagated; only the annotated frames are read.

    Args:
        frames, annotations: see `Propagator`.

    Raises:
        InputError: there is one frame only, or no annotation; or an annotation has no frame, or another grid than its
            frame; or none has a label.
    """
    if len(frames) < 2:
        raise InputError("the sequence has one frame only: there is no other one to propagate to")
    if not annotations:
        raise InputError("nothing is annotated: draw at least one frame")
    for number, labels in annotations.items():
        if not 0 <= number < len(frames):
            raise InputError(f"frame {number} is annotated, but the sequence has frames 0 to {len(frames) - 1}")
        check_frame(frames[number], number)
        check_same_grid(frames[number].image, labels, f"frame {number}")
    if not any(sitk.GetArrayViewFromImage(labels).any() for labels in annotations.values()):
        raise InputError("the annotated frames have no label: draw a structure in at least one of them")


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean Dice of the labels that occur in two label arrays; 1 where none occurs."""
    labels = sorted((set(np.unique(a)) | set(np.unique(b))) - {0})
    dice = [2 * np.sum((a == n) & (b == n)) / (np.sum(a == n) + np.sum(b == n)) for n in labels]
    return float(np.mean(dice)) if dice else 1.0


class _Clock:
    """Reports the progress of all registrations, and checks whether the propagation is cancelled."""

    def __init__(
        self,
        registrations: int,
        frames: int,
        progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool] | None,
    ):
        self._registrations = registrations
        self._frames = frames
        self._progress = progress
        self._cancelled = cancelled
        self._done = 0
        self._began = time.monotonic()

    def begin_registration(self) -> None:
        """Raise `Cancelled` when the propagation is cancelled."""
        if self._cancelled is not None and self._cancelled():
            raise Cancelled

    def end_registration(self) -> None:
        """Report the progress, in frames: a frame between two annotated ones needs two registrations."""
        self._done += 1
        if self._progress is not None:
            left = (time.monotonic() - self._began) * (self._registrations / self._done - 1)
            frame = max(1, self._done * self._frames // self._registrations)
            self._progress(Progress(frame, self._frames, 1, 1, left))
