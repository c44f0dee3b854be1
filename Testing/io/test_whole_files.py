"""Image files that are truncated or damaged are refused, where SimpleITK would give any voxels."""

import gzip
import os
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.image_files import read_image
from CLSTMSegmentLib.io.sequence_files import read_sequence

VOXELS = np.random.default_rng(0).integers(0, 200, (2, 8, 8, 8)).astype(np.int16)


def written(folder, suffix, compressed):
    """Write a sequence of two frames, and return the file with its voxels."""
    image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in VOXELS])
    sitk.WriteImage(image, str(folder / f"s.{suffix}"), useCompression=compressed)
    others = [path for path in folder.iterdir() if path.name != f"s.{suffix}"]
    return folder / f"s.{suffix}", (others or [folder / f"s.{suffix}"])[0]


FORMATS = [("nii", False), ("nii.gz", True), ("mha", False), ("mha", True), ("mhd", False), ("mhd", True)]
FORMATS += [("nrrd", False), ("nrrd", True)]


@pytest.mark.parametrize(("suffix", "compressed"), FORMATS)
def test_whole_file_is_read(suffix, compressed, tmp_path):
    path, _ = written(tmp_path, suffix, compressed)

    frames = [sitk.GetArrayFromImage(frame.image) for frame in read_sequence(path)]

    np.testing.assert_array_equal(frames, VOXELS)


@pytest.mark.parametrize(("suffix", "compressed"), FORMATS)
def test_truncated_file_is_refused_by_name(suffix, compressed, tmp_path):
    path, voxels = written(tmp_path, suffix, compressed)
    voxels.write_bytes(voxels.read_bytes()[:-200])

    for read in (read_sequence, read_image):
        with pytest.raises(InputError, match=r"s\."):
            read(path)


@pytest.mark.parametrize(("suffix", "compressed"), [form for form in FORMATS if form[1]])
def test_damaged_file_is_refused_by_name(suffix, compressed, tmp_path):
    path, voxels = written(tmp_path, suffix, compressed)
    content = voxels.read_bytes()
    voxels.write_bytes(content[:-700] + bytes(500) + content[-200:])

    with pytest.raises(InputError, match=r"s\."):
        read_sequence(path)


@pytest.mark.parametrize(
    "size", ["100000 100000 100000 2", "9223372036854775807 8 8 2", "-1 8 8 2", "0 8 8 2", "8 8 2", "\n8 8 8 2"]
)
def test_header_that_does_not_fit_its_voxels_is_refused(size, tmp_path):
    path, _ = written(tmp_path, "mha", False)
    path.write_bytes(path.read_bytes().replace(b"DimSize = 8 8 8 2", f"DimSize = {size}".encode()))

    with pytest.raises(InputError, match=r"s\.mha"):
        read_sequence(path)


@pytest.mark.parametrize(
    ("suffix", "compressed"), [form for form in FORMATS if form[0] in ("nii.gz", "nrrd") and form[1]]
)
@pytest.mark.parametrize("missing", [1, 4, 8])
def test_file_without_its_whole_checksum_is_refused(suffix, compressed, missing, tmp_path):
    path, voxels = written(tmp_path, suffix, compressed)
    voxels.write_bytes(voxels.read_bytes()[:-missing])

    with pytest.raises(InputError, match=r"s\..*truncated: it ends before its checksum"):
        read_sequence(path)


@pytest.mark.parametrize(("suffix", "compressed"), [form for form in FORMATS if form[1]])
def test_single_flipped_bit_is_found_before_any_frame_is_read(suffix, compressed, tmp_path):
    path, voxels = written(tmp_path, suffix, compressed)
    content = bytearray(voxels.read_bytes())
    content[-len(content) // 3] ^= 0x10
    voxels.write_bytes(content)

    with pytest.raises(InputError, match=r"s\."):
        read_sequence(path)


@pytest.mark.parametrize(("suffix", "compressed"), FORMATS)
@pytest.mark.parametrize("change", ["written", "replaced", "removed"])
def test_file_that_changes_during_the_run_is_named(suffix, compressed, change, tmp_path):
    path, voxels = written(tmp_path, suffix, compressed)
    sequence = read_sequence(path)
    sequence[0]

    if change == "written":
        voxels.write_bytes(voxels.read_bytes() + b"\0")
    elif change == "replaced":
        status, content = voxels.stat(), voxels.read_bytes()
        (tmp_path / "other").write_bytes(content)
        (tmp_path / "other").replace(voxels)
        os.utime(voxels, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        voxels.unlink()

    with pytest.raises(InputError, match=rf"{voxels.name} was changed, replaced or removed while it was read"):
        sequence[1]


HEADER = (
    "NRRD0005\ntype: short\ndimension: 4\nsizes: 8 8 8 2\nspace: left-posterior-superior\nendian: little\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1) none\nkinds: domain domain domain list\nencoding: gzip\n"
)
OF_METAIMAGE = "ObjectType = Image\nNDims = 4\nDimSize = 8 8 8 2\nElementSpacing = 1 1 1 1\nCompressedData = True\n"

ODD_PLACES = {
    "list": (f"{HEADER}data file: LIST\n0.gz\n1.gz\n", "c.nhdr", 1),
    "pattern": (f"{HEADER}data file: %d.gz 0 1 1\n", "c.nhdr", 1),
    "byte skip": (f"{HEADER}byte skip: 6\n\n", "c.nrrd", 1),
    "byte skip from the end": (f"{HEADER}byte skip: -1\n\n", "c.nrrd", 1),
    "line skip": (f"{HEADER}line skip: 1\n\nskipped\n", "c.nrrd", 1),
    "line skip, second part": (f"{HEADER}line skip: 1\n\nskipped\n", "c.nrrd", 2),
    "list of a MetaImage": (
        f"{OF_METAIMAGE}ElementType = MET_SHORT\nElementDataFile = LIST 3\n0.gz\n1.gz\n",
        "c.mhd",
        1,
    ),
}
"""A header, its name, and the number of compressed parts behind it, where it holds the voxels itself."""


def at_odd_place(folder, place):
    """Write voxels where only SimpleITK reads them; return the header, the file of the voxels, and where they begin."""
    header, name, parts = ODD_PLACES[place]
    path = folder / name
    if "skip" not in place:
        path.write_text(header, encoding="ascii")
        for n, frame in enumerate(VOXELS):
            pack = zlib.compress if name.endswith("mhd") else gzip.compress
            (folder / f"{n}.gz").write_bytes(pack(frame.tobytes()))
        (folder / "2.gz").write_bytes(b"of somebody else")
        return path, folder / "1.gz", 0
    content = (b"before" if place.startswith("byte") else b"") + VOXELS.tobytes()
    packed = [gzip.compress(content[:1000]), gzip.compress(content[1000:])] if parts == 2 else [gzip.compress(content)]
    path.write_bytes(header.encode() + b"".join(packed))
    return path, path, len(header) + len(b"".join(packed[:-1]))


def test_header_that_skips_more_lines_than_there_are_is_refused_at_once(tmp_path):
    path = tmp_path / "c.nrrd"
    path.write_bytes(f"{HEADER}line skip: 1000000000000\n\n".encode() + gzip.compress(VOXELS.tobytes()))

    with pytest.raises(InputError, match=r"c\.nrrd"):
        read_sequence(path)[0]


@pytest.mark.parametrize("place", ODD_PLACES)
def test_compressed_voxels_at_an_odd_place_are_read(place, tmp_path):
    path, _, _ = at_odd_place(tmp_path, place)

    frames = [sitk.GetArrayFromImage(frame.image) for frame in read_sequence(path)]

    np.testing.assert_array_equal(frames, VOXELS)


@pytest.mark.parametrize("place", ODD_PLACES)
def test_single_flipped_bit_is_found_at_an_odd_place_too(place, tmp_path):
    path, voxels, start = at_odd_place(tmp_path, place)
    whole = voxels.read_bytes()

    for position in range(start + 12, len(whole), 40):  # after the header of gzip, most of which means nothing
        content = bytearray(whole)
        content[position] ^= 0x10
        voxels.write_bytes(content)
        with pytest.raises(InputError, match=f"{voxels.name} is (damaged|truncated)"):
            read_sequence(path)


@pytest.mark.parametrize("place", ODD_PLACES)
def test_compressed_voxels_at_an_odd_place_without_their_whole_checksum_are_refused(place, tmp_path):
    path, voxels, _ = at_odd_place(tmp_path, place)
    voxels.write_bytes(voxels.read_bytes()[:-1])

    with pytest.raises(InputError, match=f"{voxels.name} is truncated: it ends before its checksum"):
        read_sequence(path)
