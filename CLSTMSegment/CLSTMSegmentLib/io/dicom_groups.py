"""DICOM images told apart by what makes them different, and series joined that are parts of one sequence."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .dicom_image import DicomImage
from .dicom_owner import owner_of

SAME_DIRECTION = 1e-3
"""How far the components of two directions may differ, and two spacings as a fraction."""

PLACE_TOLERANCE_MM = 0.1
PLACE_TOLERANCE_PIXELS = 0.05
"""Images that are nearer to each other along the normal, in mm and in pixels, lie at the same place."""


SMALLEST_GAP = 0.5
"""Smallest gap between slices of different series in one stack, as a fraction of their thickness."""


def _text(*names: str) -> Callable[[DicomImage], str]:
    """Return a function that gives the first of these values of an image as text."""

    return lambda image: image.text(*names)


def _number(digits: int, *names: str) -> Callable[[DicomImage], str]:
    """Return a function that gives the first of these values of an image as a rounded number."""

    def read(image: DicomImage) -> str:
        text = _text(*names)(image)
        try:
            return f"{round(float(text), digits):g}"
        except ValueError:
            return text

    return read


def _ge_b_value(image: DicomImage) -> str:
    """Return the b-value that GE stores as the first of some numbers, with a large constant added."""
    numbers = re.findall(r"\d+", _text("GE b-value")(image))
    return str(int(numbers[0]) % 100_000) if numbers else ""


TRAITS: dict[str, Callable[[DicomImage], str]] = {
    "ImageType": _text("FrameType", "ImageType"),
    "complex component": _text("ComplexImageComponent"),
    "GE raw data type": _text("GE raw data type"),
    "GE collapse flag": _text("GE collapse flag"),
    "kind of data": _text("DataType"),
    "echo": _number(0, "EchoNumbers"),
    "echo time in ms": _number(2, "EffectiveEchoTime", "EchoTime"),
    "receive coil": _text("ReceiveCoilName"),
    "coil": _text("coil"),
    "b-value": _number(0, "DiffusionBValue", "b-value"),
    "GE b-value": _ge_b_value,
    "direction of velocity encoding": _text("VelocityEncodingDirection"),
    "flow direction": _text("flow direction"),
    "sequence name": _text("SequenceName"),
}
"""What can tell images of one place apart, other than time: its name and its value."""


BREATHING = re.compile(r"%\s*(in|ex)\w*")
"""What may follow a respiratory phase: whether the patient inhales or exhales."""


TRAITS_OF_SERIES = (
    *("complex component", "GE raw data type", "GE collapse flag", "kind of data", "echo"),
    *("b-value", "GE b-value", "direction of velocity encoding", "flow direction"),
)
"""The traits in which neither phases nor slices differ; coils, for instance, are chosen for each slice."""

CONTRAST = (_number(1, "FlipAngle"), _number(0, "InversionTime"))
"""What slices of one stack may differ in, but not phases."""

SETTINGS = re.compile(
    r"\d[\d.,]*\s*k(ev|vp?)\b|\b(b|fa|ti|te|tr|flip|mono\w*|asir[\w-]*|idose\w*|safire|admire|aidr\w*|veo)\W{0,3}\d[\d.,]*"
)
"""Numbers in a name that are settings of a scan or of a reconstruction, and never those of a phase or a slice."""


def _without_digits(name: str) -> Callable[[DicomImage], str]:
    """Return a function that gives a text in which names of phases and slices are all the same."""

    def read(image: DicomImage) -> str:
        text = _text(name)(image).lower()
        settings = " ".join(found.group() for found in SETTINGS.finditer(text))
        text = BREATHING.sub("%", SETTINGS.sub(" ", text))
        return re.sub(r"[\d.,\s_%-]+", " ", text).strip() + settings

    return read


_series = _text("SeriesInstanceUID")

FAMILY = (
    _text("Modality"),
    _text("SOPClassUID"),
    _text("ImageType"),
    _text("ConvolutionKernel"),
    _text("KVP"),
    _number(1, "EffectiveEchoTime", "EchoTime"),
    _number(1, "SliceThickness"),
    _without_digits("SeriesDescription"),
    _without_digits("ProtocolName"),
    *(TRAITS[name] for name in TRAITS_OF_SERIES),
)
"""What series have in common that are parts of one sequence: a series for each phase, or for each slice."""


@dataclass(frozen=True)
class ImageGroup:
    """Images that belong together.

    Attributes:
        images: the images.
        traits: what tells them from the other images of their series: names and values.
        series: identities of the DICOM series from which they come.
    """

    images: list[DicomImage]
    traits: dict[str, str]
    series: frozenset[str]

    @property
    def places(self) -> list[list[DicomImage]]:
        """Return the images by their place along the normal, in its direction."""
        return images_by_place(self.images)

    @property
    def owner(self) -> tuple[str, ...]:
        """Return what tells the patient and the study."""
        return owner_of(self.images[0])

    @property
    def is_regular(self) -> bool:
        """Return whether there are equally many images at all places."""
        return len({len(images) for images in self.places}) == 1

    def __str__(self) -> str:
        first, places = self.images[0], self.places
        name = _text("SeriesDescription")(first) or _text("ProtocolName")(first) or "without a description"
        numbers = {_text("SeriesNumber")(image) for image in self.images}
        number = f"number {numbers.pop() or '?'}" if len(numbers) == 1 else f"{len(self.series)} series"
        traits = "".join(f", {trait} {value or 'none'}" for trait, value in self.traits.items())
        counts = sorted({len(images) for images in places})
        times = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        where = f"{times} at each of {_counted(len(places), 'place')}"
        return f"{name} ({number}{traits}): {_counted(len(self.images), 'image')}, {where}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def group_images(images: Sequence[DicomImage]) -> list[ImageGroup]:
    """Return images in groups, one for each sequence or volume, in the order of their series numbers.

    Images of one patient, one series and one geometry are in one group, unless something in `TRAITS` differs between
    images of the same place. Groups of different series are joined where they are a series for each phase, or one for
    each slice.
    """
    geometries = _Geometries()
    series = _partition(images, lambda image: (_series(image), geometries.key(image), *owner_of(image)))
    groups = [group for found in series.values() for group in _told_apart(found)]
    families = _partition(groups, lambda group: _family(group, geometries))
    groups = [group for found in families.values() for group in _joined(found)]
    return sorted(_without_localizers(groups), key=_order)


def images_by_place(images: Iterable[DicomImage]) -> list[list[DicomImage]]:
    """Return images by their place along the normal, in its direction."""
    ordered = sorted(images, key=lambda image: image.place)
    tolerance = min(PLACE_TOLERANCE_MM, PLACE_TOLERANCE_PIXELS * min(ordered[0].spacing))
    places: list[list[DicomImage]] = []
    for image in ordered:
        if not places or image.place - places[-1][0].place > tolerance:
            places.append([])
        places[-1].append(image)
    return places


class _Geometries:
    """Gives images of the same size, spacing and orientation the same key."""

    def __init__(self):
        self._known: list[DicomImage] = []

    def key(self, image: DicomImage) -> int:
        for number, other in enumerate(self._known):
            if (
                image.size == other.size
                and np.allclose(image.spacing, other.spacing, rtol=SAME_DIRECTION, atol=0)
                and np.allclose(image.direction, other.direction, rtol=0, atol=SAME_DIRECTION)
            ):
                return number
        self._known.append(image)
        return len(self._known) - 1


def _partition(items: Iterable, key: Callable[[object], Hashable]) -> dict[Hashable, list]:
    parts: dict[Hashable, list] = defaultdict(list)
    for item in items:
        parts[key(item)].append(item)
    return parts


def _read(readers: Iterable[Callable[[DicomImage], str]], image: DicomImage) -> tuple[str, ...]:
    return tuple(read(image) for read in readers)


def _told_apart(images: list[DicomImage]) -> list[ImageGroup]:
    """Return the groups of a series of one geometry, by the traits in which images of the same place differ."""
    places = images_by_place(images)
    names = [
        name for name, read in TRAITS.items() if any(len({read(image) for image in found}) > 1 for found in places)
    ]
    parts = _partition(images, lambda image: tuple(TRAITS[name](image) for name in names))
    series = frozenset([_series(images[0])])
    return [ImageGroup(found, dict(zip(names, key, strict=True)), series) for key, found in parts.items()]


def _family(group: ImageGroup, geometries: _Geometries) -> Hashable:
    first = group.images[0]
    return (geometries.key(first), tuple(group.traits.items()), group.owner, *_read(FAMILY, first))


def _joined(groups: list[ImageGroup]) -> list[ImageGroup]:
    """Return groups of one family as one group, if each is one phase of all slices, or all phases of one slice."""
    if len(groups) < 2:
        return groups
    whole = ImageGroup(
        [image for group in groups for image in group.images],
        groups[0].traits,
        frozenset().union(*(group.series for group in groups)),
    )
    contrasts = {_read(CONTRAST, image) for image in whole.images}
    phases = len(contrasts) == 1 and all(len(images) == 1 for group in groups for images in group.places)
    slices = all(len(group.places) == 1 for group in groups) and _lie_apart(whole.places, len(groups))
    return [whole] if (phases or slices) and whole.is_regular else groups


def _lie_apart(places: list[list[DicomImage]], count: int) -> bool:
    """Return whether there are so many places, and slices do not overlap as those of a slice that was repeated do."""
    if len(places) != count:
        return False
    gaps = np.diff([images[0].place for images in places])
    try:
        thickness = float(places[0][0].values.get("SliceThickness", 0))
    except (TypeError, ValueError):
        return True
    return bool(gaps.min() >= SMALLEST_GAP * thickness)


def _without_localizers(groups: list[ImageGroup]) -> list[ImageGroup]:
    """Return the groups without the images by which a scan is planned, unless there are no others."""
    others = [group for group in groups if "LOCALIZER" not in TRAITS["ImageType"](group.images[0]).upper()]
    return others or groups


def _order(group: ImageGroup) -> tuple:
    numbers = [float(text) for image in group.images if (text := _number(0, "SeriesNumber")(image)).isdecimal()]
    first = min(group.images, key=lambda image: (image.path, image.number or 0))
    return (min(numbers, default=float("inf")), str(group).casefold(), str(first.path), first.number or 0)
