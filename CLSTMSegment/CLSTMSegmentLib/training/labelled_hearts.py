"""Labelled hearts on disk, brought to a model's grid: cines, and single phases at end-diastole and end-systole."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.boxes import around_structures, bounding_box
from ..core.errors import InputError
from ..core.plain_files import read_text
from ..core.same_grid import check_same_grid
from ..core.sequence import Frame
from ..engine.frame_grid import FrameGrid
from ..engine.intensity_window import find_intensity_window
from ..engine.preparation import prepare, prepare_labels
from ..io.detached_voxels import voxel_files
from ..io.file_sequence import FileSequence
from ..io.label_images import read_labels
from ..io.sequence_files import read_sequence
from ..model.rules import GeometryRule, IntensityRule
from .sparse_labels import BACKGROUND, UNKNOWN, Border, allowed_classes, certain_labels

CLASSES = 3
"""Number of classes: background, cavity and muscle."""


@dataclass
class LabelledSequence:
    """An annotated sequence on a model's grid.

    Attributes:
        name: name of the heart, phantom or frame; the same heart has the same name in every data set.
        frames: float16 (D, H, W) arrays, scaled to [0, 1] by the model's intensity rule.
        allowed: uint8 bit sets (D, H, W) by number of the annotated frames, see `sparse_labels`.
        cyclic: whether the first frame follows the last.
        spacing: voxel size (D, H, W) in mm.
    """

    name: str
    frames: list[np.ndarray]
    allowed: dict[int, np.ndarray] = field(default_factory=dict)
    cyclic: bool = True
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def cropped(self, margin_mm: float) -> "LabelledSequence":
        """Return the sequence cropped to the box of what is annotated in any frame, with all slices.

        Args:
            margin_mm: margin on both sides of the box in mm, along H and W.
        """
        annotated = np.any([certain_labels(bits) > 0 for bits in self.allowed.values()], axis=0)
        box = bounding_box(annotated)
        if box is None:
            return self
        box = around_structures(box, margin_mm, self.spacing, annotated.shape)
        index = tuple(slice(*edge) for edge in box)
        allowed = {t: bits[index] for t, bits in self.allowed.items()}
        return replace(self, frames=[frame[index] for frame in self.frames], allowed=allowed)


@dataclass
class Annotation:
    """The annotation of one frame.

    Attributes:
        labels: label image on the grid of the frame.
        classes: the classes that are annotated.
        slices: numbers of the annotated slices.
        phase: "ED", "ES" or any other.
    """

    labels: sitk.Image
    classes: list[int]
    slices: tuple[int, ...]
    phase: str


def to_grid(
    name: str,
    frames: list[Frame],
    annotations: dict[int, Annotation],
    geometry: GeometryRule,
    intensity: IntensityRule,
    border: Border | None = None,
) -> LabelledSequence:
    """Return a heart on the model's grid, prepared as in a run.

    Args:
        annotations: annotations by frame number.
        border: narrows the bit sets where its outer class is not annotated, and beyond the annotated slices.
    """
    window = find_intensity_window(intensity, (sitk.GetArrayViewFromImage(frame.image) for frame in frames))
    grids = [FrameGrid(frame.image, geometry) for frame in frames]
    prepared = (prepare(frame.image, grid, window) for frame, grid in zip(frames, grids, strict=True))
    volumes = [frame.volume.astype(np.float16) for frame in prepared]
    sequence = LabelledSequence(name, volumes, spacing=grids[0].model_spacing)
    for t, annotation in annotations.items():
        on_grid = prepare_labels(annotation.labels, grids[t], annotation.classes)
        allowed = allowed_classes(on_grid, annotation.classes, CLASSES)
        if border is not None and border.outer not in annotation.classes:
            border.apply(allowed, grids[t].model_spacing)
        known = _slices_on_grid(annotation.slices, annotation.labels, grids[t])
        if border is not None and border.ends_annotated:
            first, last = min(annotation.slices), max(annotation.slices)
            within = _slices_on_grid(range(first, last + 1), annotation.labels, grids[t])
            allowed[~within] = BACKGROUND
            known |= ~within
        allowed[~known] = UNKNOWN
        sequence.allowed[t] = allowed
    return sequence


def _slices_on_grid(slices: Sequence[int], image: sitk.Image, grid: FrameGrid) -> np.ndarray:
    """Return which voxels of the model's grid lie completely in some slices of an image, (D, H, W) bool."""
    array = np.zeros(image.GetSize()[::-1], np.float32)
    array[list(slices)] = 1
    marked = sitk.GetImageFromArray(array)
    marked.CopyInformation(image)
    return grid.to_model(grid.reoriented(marked)) >= 0.99


def read_cines(
    data: Path, hearts: Collection[str] | None = None, same_heart: Mapping[str, str] | None = None
) -> dict[str, tuple[FileSequence, dict[int, Annotation]]]:
    """Return the annotated cines in a folder and in its subfolders, by case name.

    A folder of cines has a `labels.json`. For each case, beside `CASE.seq.nrrd`, it names the annotated frames by
    number, each with the `file` of the label image (on the grid of the frame), the `phase` ("ED", "ES" or any other),
    the `labelled_classes`, and the first and last of the `labelled_slices`.

    Args:
        hearts: names of the hearts to read; all by default.
        same_heart: the name of the heart for each case that has another name; see `Recipe.same_heart`.
    """
    cines = {}
    names = same_heart or {}
    for index in _index_files(data, "labels.json"):
        for case, labelled in _read_index(index).items():
            if hearts is not None and names.get(case, case) not in hearts:
                continue
            _check_new(case, cines, index)
            if not labelled:
                raise InputError(f"{index}: the entry {case!r} names no annotated frame")
            with _entry_of(index, case):
                annotations = {
                    int(t): Annotation(
                        read_labels(index.parent / entry["file"]),
                        list(entry["labelled_classes"]),
                        tuple(range(entry["labelled_slices"][0], entry["labelled_slices"][1] + 1)),
                        entry["phase"],
                    )
                    for t, entry in labelled.items()
                }
                frames = read_sequence(index.parent / f"{case}.seq.nrrd")
                for t, annotation in annotations.items():
                    _check_annotation(annotation, frames[t].image, f"{case}, frame {t}")
            cines[case] = (frames, annotations)
    return cines


def read_phases(
    data: Path, hearts: Collection[str] | None = None, masked: Mapping[str, Collection[int]] | None = None
) -> dict[str, dict[str, tuple[Frame, Annotation, int]]]:
    """Return the single phases in a folder and in its subfolders, by heart and phase: frame, annotation, first slice.

    A folder of phases has an `index.json`. For each heart and phase ("ED", "ES"), beside `HEART_PHASE.nrrd` and
    `HEART_PHASE_cavity.nrrd` (label 1, annotated in every slice), it gives the first and last of the `slices` of the
    whole image that these files hold.

    Args:
        hearts: names of the hearts to read; all by default.
        masked: by heart, numbers of slices of the whole image whose annotation is wrong, so that it is not used.
    """
    stacks, masked = {}, masked or {}
    for index in _index_files(data, "index.json"):
        for name, phases in _read_index(index).items():
            if hearts is not None and name not in hearts:
                continue
            _check_new(name, stacks, index)
            stacks[name] = {}
            for phase, entry in phases.items():
                image = read_sequence(index.parent / f"{name}_{phase}.nrrd")[0].image
                labels = read_labels(index.parent / f"{name}_{phase}_cavity.nrrd")
                with _entry_of(index, name):
                    first = int(entry["slices"][0])
                right = tuple(n for n in range(image.GetDepth()) if first + n not in masked.get(name, ()))
                annotation = Annotation(labels, [1], right, phase)
                _check_annotation(annotation, image, f"{name}, {phase}")
                stacks[name][phase] = (Frame(image, phase), annotation, first)
    return stacks


def files_of_hearts(data: Path) -> list[Path]:
    """Return all files from which hearts can be read, also where a link or an index leads out of the folder.

    Raises:
        InputError: an index is damaged.
    """
    indices = [*_index_files(data, "labels.json"), *_index_files(data, "index.json")]
    files = [file for index in indices for file in index.parent.iterdir()]
    for index in indices:
        entries = (entry for table in _read_index(index).values() for entry in table.values())
        files += [index.parent / str(entry["file"]) for entry in entries if isinstance(entry, dict) and "file" in entry]
    return files + [voxels for file in files if file.is_file() for voxels in voxel_files(file)]


def _read_index(path: Path) -> dict[str, dict]:
    """Return the content of an index of annotations: a table for each heart."""
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise InputError(f"{path} must have a table for each heart")
    return content


@contextmanager
def _entry_of(index: Path, heart: str) -> Iterator[None]:
    """Turn what goes wrong in the block, which reads the entry of a heart, into an InputError that names both."""
    try:
        yield
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{index}: the entry {heart!r} is not complete ({error!r})") from error


def _check_new(name: str, known: Collection[str], index: Path) -> None:
    """Raise an InputError if another folder has a heart of this name too."""
    if name in known:
        raise InputError(f"{index}: another folder has a heart {name!r} too: give each heart a name of its own")


def _check_annotation(annotation: Annotation, image: sitk.Image, name: str) -> None:
    """Raise an InputError unless an annotation lies on its image and names classes and slices that there can be."""
    check_same_grid(image, annotation.labels, name)
    known, slices = range(1, CLASSES), range(image.GetDepth())
    right = all(type(c) is int and c in known for c in annotation.classes) and annotation.classes
    if not right or not annotation.slices or any(n not in slices for n in annotation.slices):
        known_slices = "slices of the image, the first before the last"
        raise InputError(f"{name}: its annotation must name classes from 1 to {CLASSES - 1} and {known_slices}")


def _index_files(data: Path, name: str) -> list[Path]:
    return [path for path in (data / name, *sorted(data.glob(f"*/{name}"))) if path.is_file()]


def load_hearts(
    data: Path,
    geometry: GeometryRule,
    intensity: IntensityRule,
    border: Border | None = None,
    same_heart: Mapping[str, str] | None = None,
    masked: Mapping[str, Collection[int]] | None = None,
) -> list[LabelledSequence]:
    """Return all annotated hearts in the data folder, on a model's grid.

    A heart with single phases gives three sequences: each phase alone, with all its slices, and both as two frames
    with the slices that they share.

    Args:
        border: see `to_grid`.
        same_heart: see `read_cines`.
        masked: see `read_phases`.

    Raises:
        InputError: the folder has no labelled hearts.
    """
    sequences, names = [], same_heart or {}
    for case, (frames, annotations) in read_cines(data).items():
        sequences.append(to_grid(names.get(case, case), list(frames), annotations, geometry, intensity, border))
    for name, phases in read_phases(data, masked=masked).items():
        for frame, annotation, _ in phases.values():
            sequences.append(to_grid(name, [frame], {0: annotation}, geometry, intensity, border))
        if not {"ED", "ES"} <= phases.keys():
            raise InputError(f"{name}: to train on a heart of single phases, ED and ES are needed")
        first = max(start for _, _, start in phases.values())
        last = min(start + frame.image.GetDepth() for frame, _, start in phases.values())
        both = [phases["ED"], phases["ES"]]
        frames = [Frame(frame.image[:, :, first - start : last - start], frame.index_value) for frame, _, start in both]
        annotations = {
            t: Annotation(
                a.labels[:, :, first - start : last - start],
                [1],
                tuple(n - (first - start) for n in a.slices if first - start <= n < last - start),
                a.phase,
            )
            for t, (_, a, start) in enumerate(both)
        }
        sequences.append(to_grid(name, frames, annotations, geometry, intensity, border))
    if not sequences:
        raise InputError(f"{data} has no labelled hearts: no labels.json or index.json there or in its folders")
    return sequences
