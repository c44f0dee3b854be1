"""The header of a NRRD file: its fields, the axis of its frames, and where its voxels are."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..core.errors import InputError
from .detached_voxels import DATA_FILE, LARGEST_HEADER, voxel_files
from .file_sequence import frame_axis
from .lengths import check_unit_of_length, without_size
from .voxel_reader import VoxelLayout

SUFFIXES = (".nrrd", ".nhdr")

MISREAD_SPACES = {
    **dict.fromkeys(("right-anterior-superior-time", "rast"), "right-anterior-superior"),
    **dict.fromkeys(("left-anterior-superior-time", "last"), "left-anterior-superior"),
}
"""Names of spaces with time of which SimpleITK reads the axes as those of another one, and those without time."""

TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), np.int8),
    **dict.fromkeys(("unsigned char", "uchar", "uint8", "uint8_t"), np.uint8),
    **dict.fromkeys(("short", "signed short", "short int", "int16", "int16_t"), np.int16),
    **dict.fromkeys(("unsigned short", "ushort", "unsigned short int", "uint16", "uint16_t"), np.uint16),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), np.int32),
    **dict.fromkeys(("unsigned int", "uint", "uint32", "uint32_t"), np.uint32),
    **dict.fromkeys(("long long", "longlong", "signed long long", "int64", "int64_t"), np.int64),
    **dict.fromkeys(("unsigned long long", "ulonglong", "uint64", "uint64_t"), np.uint64),
    "float": np.float32,
    "double": np.float64,
}
"""Types of voxels by their names."""

PACKED = ("gzip", "gz")
"""Encodings of compressed voxels."""

SPACE_KINDS, FRAME_KINDS, UNKNOWN_KINDS = ("domain", "space"), ("list", "time"), ("???", "none")
"""Kinds of an axis of space, of one along which the frames follow each other, and of one that is not known."""


@dataclass(frozen=True)
class NrrdHeader:
    """What a NRRD header says.

    Attributes:
        path: the file.
        lines: the lines of the header as they stand there.
        start: the byte after the header.
        fields: the fields by their names in lower case.
        keys: the values that stand after ":=", by the names before it.
    """

    path: Path
    lines: list[bytes]
    start: int
    fields: dict[str, str]
    keys: dict[str, str]

    @property
    def sizes(self) -> list[int]:
        """Return the number of voxels along each axis; empty where the header gives none."""
        words = self.fields.get("sizes", "").split()
        return [int(n) for n in words] if all(n.isdecimal() and int(n) > 0 for n in words) else []

    @property
    def kinds(self) -> list[str]:
        """Return the kind of each axis; where the header gives none, an axis with a direction is one of space."""
        kinds = self.fields.get("kinds", "").lower().split() or ["???"] * len(self.sizes)
        directions = self.directions or [""] * len(kinds)
        unknown = [
            "list" if direction == "none" else "domain" for kind, direction in zip(kinds, directions, strict=False)
        ]
        return [new if kind in UNKNOWN_KINDS else kind for kind, new in zip(kinds, unknown, strict=False)]

    @property
    def directions(self) -> list[str]:
        """Return the direction of each axis in space, as it stands there, or "none"."""
        return re.findall(r"none|\([^)]*\)", self.fields.get("space directions", ""))

    def frame_axis(self) -> int | None:
        """Return the axis along which the frames follow each other, counted from 0; None for a single frame.

        Raises:
            InputError: the axes are not those of a sequence of scalar images.
        """
        sizes, kinds = self.sizes, self.kinds
        given = self.fields.get("kinds", "").split()
        if given and len(given) != len(sizes):
            raise InputError(f"{self.path}: its header gives it {len(sizes)} axes and {len(given)} kinds: correct it")
        if "Segment0_ID" in self.keys and len(sizes) > 3:
            raise InputError(
                f"{self.path} is a segmentation of Slicer in which segments overlap: its layers are no frames; export "
                "it as a labelmap, in which they do not overlap"
            )
        others = [axis for axis, kind in enumerate(kinds) if kind not in SPACE_KINDS]
        if len(others) > 1 or len(sizes) != len(kinds) or not others:
            if any(kinds[axis] not in FRAME_KINDS for axis in others):
                raise InputError(f"{self.path} is a colour or vector image: only scalar images can be segmented")
            return frame_axis(self.path, sizes)
        (axis,) = others
        # SimpleITK writes a sequence, whose frames it holds as components, as a vector; Slicer reads it so, too
        if kinds[axis] not in FRAME_KINDS and not (kinds[axis] == "vector" and is_slicer_sequence(self.path)):
            raise InputError(
                f"{self.path} is a colour or vector image, not a sequence of scalar images; if its components are the "
                "frames of a sequence, rename it so that its name ends in .seq.nrrd"
            )
        if len(sizes) != 4:
            raise InputError(f"{self.path} has {len(sizes) - 1} axes of space: 3D images are needed")
        if axis not in (0, 3):
            raise InputError(
                f"{self.path}: its frames lie along axis {axis} of 0 to 3, between those of space: save it so that "
                "they lie along the last one"
            )
        return axis

    def of_axis(self, field: str, axis: int) -> str:
        """Return the text in quotation marks that a field, such as `units`, has for an axis; it may be empty."""
        texts = re.findall(r'"((?:[^"\\]|\\.)*)"', self.fields.get(field, ""))
        return texts[axis].strip() if axis < len(texts) else ""

    def check_place(self, frame_axis: int | None) -> list[str]:
        """Check that SimpleITK and Slicer read the place of the voxels as it is meant, and return warnings.

        Args:
            frame_axis: the axis of the frames, whose unit is that of time.

        Raises:
            InputError: lengths are in another unit than mm, or the axes of space are taken for others.
        """
        units = [self.of_axis("units", axis) for axis in range(len(self.sizes)) if axis != frame_axis]
        units += [self.of_axis("space units", axis) for axis in range(3)]
        for unit in units:
            check_unit_of_length(self.path, unit)
        space = self.fields.get("space", "").strip('" ').lower()
        if space in MISREAD_SPACES:
            raise InputError(
                f"{self.path}: its space is {space}, which Slicer would take for left-posterior-superior: save it with "
                f"the space {MISREAD_SPACES[space]}"
            )
        axes = [axis for axis in range(len(self.sizes)) if axis != frame_axis][:3]
        if all(self.steps(axis) is not None for axis in axes):
            return []
        return [without_size(self.path)]

    def steps(self, axis: int) -> tuple[float, float] | None:
        """Return the place of the first frame along an axis, and the step between frames; None without a step."""
        directions = self.directions
        spacings, first = self.fields.get("spacings", "").split(), self.fields.get("axis mins", "").split()
        try:
            if axis < len(directions) and directions[axis] != "none":
                step = math.hypot(*map(float, directions[axis].strip("()").split(",")))
                origin = re.findall(r"[^(),\s]+", self.fields.get("space origin", ""))
                start = float(origin[axis]) if axis < len(origin) else 0.0
            else:
                step = float(spacings[axis])
                start = float(first[axis]) if axis < len(first) else 0.0
        except (IndexError, ValueError):
            return None
        start = start if math.isfinite(start) else 0.0
        return (start, step) if 0 < step < math.inf else None

    def layout(self, axis: int | None) -> VoxelLayout | None:
        """Return how the frames follow each other in the file.

        Args:
            axis: from `frame_axis`. Frames along the first axis, which alternate from voxel to voxel, count as a single
                one, whose last axis they are.

        Returns:
            None where their encoding is one that only SimpleITK reads.
        """
        whole = self.layout_of_all()
        if whole is None or axis == 0:
            return whole
        return replace(whole, count=1 if axis is None else self.sizes[axis], shape=tuple(self.sizes[2::-1]))

    def layout_of_all(self) -> VoxelLayout | None:
        """Return the layout of all voxels as one frame of as many axes; None as from `layout`."""
        encoding, voxel, others = (
            self.fields.get("encoding", "").lower(),
            TYPES.get(self.fields.get("type", "").lower()),
            voxel_files(self.path),
        )
        skips = {"line skip", "lineskip", "byte skip", "byteskip"} & self.fields.keys()
        if skips or voxel is None or len(others) > 1 or encoding not in ("raw", *PACKED) or not self.sizes:
            return None
        file, start = (others[0], 0) if others else (self.path, self.start)
        packed = encoding != "raw"
        order = ">" if self.fields.get("endian", "").lower() == "big" else "<"
        return VoxelLayout(
            file,
            0 if packed else start,
            start if packed else None,
            1,
            tuple(self.sizes[::-1]),
            np.dtype(voxel).newbyteorder(order),
        )

    def packed_parts(self) -> list[tuple[Path, int]]:
        """Return each file with compressed voxels, and the byte at which they begin; none for others.

        A byte skip counts in what they unpack to.
        """
        if self.fields.get("encoding", "").lower() not in PACKED:
            return []
        lines = self.fields.get("line skip", self.fields.get("lineskip", ""))
        count = int(lines) if lines.isdecimal() else 0
        others = voxel_files(self.path)
        places = [(file, 0) for file in others] or [(self.path, self.start)]
        return [(file, _after_lines(file, start, count)) for file, start in places]

    @contextmanager
    def for_itk(self, axis: int | None) -> Iterator[Path]:
        """Yield the path of a file whose header SimpleITK reads: another one where it would count time as space.

        Args:
            axis: from `frame_axis`.
        """
        has_direction = axis is not None and axis < len(self.directions) and self.directions[axis] != "none"
        if axis is None or has_direction or len(self.sizes) != 4:
            yield self.path
            return
        kinds = " ".join("list" if n == axis else "domain" for n in range(4))
        # the copy has no voxels: only its header is read
        data_file = next((n for n, line in enumerate(self.lines) if DATA_FILE.match(line)), len(self.lines))
        listed = "LIST" in self.fields.get("data file", self.fields.get("datafile", "")).split()[:1]
        lines = self.lines[:data_file] + ([] if listed else self.lines[data_file + 1 :])
        left_out = (b"kinds:", b"line skip:", b"lineskip:", b"byte skip:", b"byteskip:")
        lines = [line for line in lines if not line.lower().startswith(left_out)]
        with TemporaryDirectory(prefix="clstm-segment-") as folder:
            copy = Path(folder) / "header.nrrd"
            copy.write_bytes(b"".join(lines) + f"kinds: {kinds}\n\n".encode())
            yield copy


def is_slicer_sequence(path: Path) -> bool:
    """Return whether a file has the name of a sequence of Slicer."""
    return path.name.lower().endswith((".seq.nrrd", ".seq.nhdr"))


def read_nrrd_header(path: Path) -> NrrdHeader | None:
    """Return the header of a NRRD file; None for another file."""
    lines, line = [], b""
    with path.open("rb") as file:
        while file.tell() < LARGEST_HEADER and (line := file.readline(LARGEST_HEADER)).strip(b"\r\n") != b"":
            lines.append(line)
        start = file.tell()
    if not lines or not lines[0].startswith(b"NRRD"):
        return None
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    for line in lines[1:]:
        found = re.match(r"(.*?)(:=|: |:$)(.*)", _decoded(line).strip("\r\n"))
        if found is not None and not line.startswith(b"#"):
            name, mark, value = found.groups()
            if mark == ":=":
                keys[name] = value
            else:
                fields[name.strip().lower()] = value.strip()
    return NrrdHeader(path, lines, start, fields, keys)


def _after_lines(file: Path, start: int, count: int) -> int:
    """Return the byte of a file after some lines that begin at another one."""
    with file.open("rb") as content:
        content.seek(start)
        for _ in range(count):
            if not content.readline(LARGEST_HEADER):  # a header may name more lines than there are
                break
        return content.tell()


def _decoded(line: bytes) -> str:
    """Return the text of a line; one that is not in UTF-8 is taken for Latin-1."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
