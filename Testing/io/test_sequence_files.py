"""Sequences on disk: what is written is read back, whatever the number of frames and the index."""

import gzip
import re
import time
import tracemalloc
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence


def random_images(count, dtype):
    """Return oblique images of 5 x 4 x 3 random voxels."""
    rng = np.random.default_rng(count)
    images = [sitk.GetImageFromArray(rng.integers(0, 200, (3, 4, 5)).astype(dtype)) for _ in range(count)]
    for image in images:
        image.SetSpacing((1.5, 2.0, 8.0))
        image.SetOrigin((0.1, -20.0, 300.5))
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.5, 0.8).GetMatrix())
    return images


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_sequence_is_read_as_it_was_written(tmp_path, count, dtype):
    images = random_images(count, dtype)
    index = SequenceIndex([f"{40 * t}" for t in range(count)], "time", "ms")

    write_sequence(tmp_path / "s.seq.nrrd", index, images)
    found = read_sequence(tmp_path / "s.seq.nrrd")

    assert found.index == index
    for frame, image, value in zip(found, images, index.values, strict=True):
        assert frame.index_value == value
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(frame.image), sitk.GetArrayViewFromImage(image))
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(frame.image, geometry)(), getattr(image, geometry)(), atol=1e-12)


def rewrite(path, *changes, content=None):
    """Change texts in the header of a file, and replace its voxels unless `content` is None."""
    header, blank, voxels = path.read_bytes().partition(b"\n\n")
    for old, new in changes:
        assert old in header
        header = header.replace(old, new)
    path.write_bytes(header + blank + (voxels if content is None else content))


@pytest.mark.parametrize("kind", ["gzip", "raw", "raw, big endian"])
def test_frames_are_the_same_in_any_order(tmp_path, kind):
    images, path = random_images(5, np.int16), tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(list("01234")), images)
    if kind != "gzip":
        order = ">" if "big" in kind else "<"
        voxels = b"".join(sitk.GetArrayFromImage(image).astype(f"{order}i2").tobytes() for image in images)
        endian = (b"endian: little", b"endian: big" if "big" in kind else b"endian: little")
        rewrite(path, (b"encoding: gzip", b"encoding: raw"), endian, content=voxels)

    found = read_sequence(path)

    for number in (3, 3, 1, 4, 0, 2):
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(found[number].image), sitk.GetArrayFromImage(images[number])
        )


def test_frames_that_do_not_follow_each_other_are_read_as_well(tmp_path):
    images, path = random_images(5, np.int16), tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(list("01234")), images)
    # older versions of Slicer wrote all frames of the first voxel, then all frames of the second one
    voxels = np.stack([sitk.GetArrayFromImage(image) for image in images], axis=-1).astype("<i2").tobytes()
    header = path.read_bytes().partition(b"\n\n")[0].decode()
    directions = re.search("space directions: (.*) none", header).group(1)
    changes = [
        ("sizes: 5 4 3 5", "sizes: 5 5 4 3"),
        (f"space directions: {directions} none", f"space directions: none {directions}"),
        ("kinds: domain domain domain list", "kinds: list domain domain domain"),
        ("encoding: gzip", "encoding: raw"),
        ("axis 3 index", "axis 0 index"),
    ]
    rewrite(path, *((old.encode(), new.encode()) for old, new in changes), content=voxels)

    found = read_sequence(path)

    for frame, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(frame.image), sitk.GetArrayFromImage(image))
        np.testing.assert_allclose(frame.image.GetDirection(), image.GetDirection(), atol=1e-12)


@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_truncated_file_is_named_with_the_frame(tmp_path, encoding):
    images, path = random_images(5, np.int16), tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(list("01234")), images)
    if encoding == "raw":
        content = b"".join(sitk.GetArrayFromImage(image).tobytes() for image in images)
        rewrite(path, (b"encoding: gzip", b"encoding: raw"), content=content)
    path.write_bytes(path.read_bytes()[:-150])

    with pytest.raises(InputError, match=r"s\.seq\.nrrd is truncated: it ends in frame [34]"):
        list(read_sequence(path))


def test_file_that_changes_while_it_is_read_is_refused_for_every_frame(tmp_path):
    images, path = random_images(5, np.int16), tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(list("01234")), images)
    content = b"".join(sitk.GetArrayFromImage(image).tobytes() for image in images)
    rewrite(path, (b"encoding: gzip", b"encoding: raw"), content=content)
    sequence = read_sequence(path)

    path.write_bytes(path.read_bytes()[:-1])

    for number in (3, 4):
        with pytest.raises(InputError, match=r"s\.seq\.nrrd was changed, replaced or removed while it was read"):
            sequence[number]


def test_long_sequence_is_not_held_in_ram(tmp_path):
    like = sitk.Image((64, 64, 32), sitk.sitkInt16)
    write_sequence(tmp_path / "s.seq.nrrd", SequenceIndex([str(t) for t in range(100)]), [like] * 100)
    frame_bytes = like.GetNumberOfPixels() * 2

    tracemalloc.start()
    for frame in read_sequence(tmp_path / "s.seq.nrrd"):
        assert frame.image.GetSize() == like.GetSize()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2 * 2**20 + 8 * frame_bytes, "of 100 frames"


def test_very_many_frames_of_one_index_value_are_numbered_at_once(tmp_path):
    # given
    count = 40_000
    header = f"""NRRD0005
type: uchar
dimension: 4
space: left-posterior-superior
sizes: 1 1 1 {count}
space directions: (1,0,0) (0,1,0) (0,0,1) none
kinds: domain domain domain list
encoding: raw
axis 3 index values:={" ".join(["7"] * count)}

"""
    (tmp_path / "s.seq.nrrd").write_bytes(header.encode() + bytes(count))

    # when
    began = time.process_time()
    found = read_sequence(tmp_path / "s.seq.nrrd")

    # then
    assert time.process_time() - began < 3
    assert found.index.values[:3] == ["7", "7 (2)", "7 (3)"]
    assert len(set(found.index.values)) == count


def test_text_index_values_keep_their_spaces_and_accents(tmp_path):
    index = SequenceIndex(["early diastole", "é,1", "100%"], "phase", "", "text")

    write_sequence(tmp_path / "s.seq.nrrd", index, random_images(3, np.uint8))

    assert read_sequence(tmp_path / "s.seq.nrrd").index == index


@pytest.mark.parametrize(("code", "unit"), [(8, "s"), (16, "ms"), (24, "us")])
def test_nifti_time_unit_becomes_the_index_unit(tmp_path, code, unit):
    path = tmp_path / "s.nii"
    sitk.WriteImage(sitk.JoinSeries(random_images(3, np.int16), 0, 40), str(path))
    content = bytearray(path.read_bytes())
    content[123] = 2 | code  # xyzt_units in the header; 2 stands for mm
    path.write_bytes(content)

    index = read_sequence(path).index

    assert (index.values, index.name, index.unit) == (["0", "40", "80"], "time", unit)


def test_nifti_that_simpleitk_wrote_has_its_time_in_seconds(tmp_path):
    sitk.WriteImage(sitk.JoinSeries(random_images(3, np.int16), 0, 40), str(tmp_path / "s.nii"))

    index = read_sequence(tmp_path / "s.nii").index

    assert (index.values, index.name, index.unit) == (["0", "40", "80"], "time", "s")


def test_gzip_file_of_several_parts_is_read(tmp_path):
    images, path = random_images(5, np.int16), tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(list("01234")), images)
    voxels = gzip.decompress(path.read_bytes().partition(b"\n\n")[2])
    # bgzip and `cat` make such files; the second part begins within a frame, the third one is empty
    rewrite(path, content=b"".join(map(gzip.compress, (voxels[:130], voxels[130:], b""))))

    found = read_sequence(path)

    for number in (0, 1, 4, 2):
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(found[number].image), sitk.GetArrayFromImage(images[number])
        )


def test_gzip_file_of_several_parts_that_ends_early_is_truncated(tmp_path):
    path = tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(list("01234")), random_images(5, np.int16))
    rewrite(path, content=gzip.compress(b"\0" * 130) * 2)

    with pytest.raises(InputError, match="truncated: it ends in frame 2"):
        list(read_sequence(path))


def test_compressed_file_whose_checksum_does_not_fit_is_damaged(tmp_path):
    path = tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(list("01234")), random_images(5, np.int16))
    packed = path.read_bytes().partition(b"\n\n")[2]
    rewrite(path, content=packed[:-8] + bytes(4) + packed[-4:])

    with pytest.raises(InputError, match=r"s\.seq\.nrrd is damaged"):
        list(read_sequence(path))


@pytest.mark.parametrize("kind", [b"", b"axis 3 index type:=numeric\n"], ids=["no type", "numeric"])
def test_index_values_that_are_no_numbers_are_text(tmp_path, kind):
    path = tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(["ED", "ES"], "phase", "", "text"), random_images(2, np.uint8))
    rewrite(path, (b"axis 3 index type:=text\n", kind))

    assert read_sequence(path).index == SequenceIndex(["ED", "ES"], "phase", "", "text")


def test_header_in_latin_1_is_read(tmp_path):
    path = tmp_path / "s.seq.nrrd"
    write_sequence(path, SequenceIndex(["0", "1"], "time", "ms"), random_images(2, np.uint8))
    rewrite(path, (b'"ms"', b'"\xb5s"'))

    index = read_sequence(path).index
    write_sequence(path, index, random_images(2, np.uint8))

    assert index.unit == "µs"
    assert read_sequence(path).index == index


def test_frames_without_a_place_in_space_are_refused(tmp_path):
    path = tmp_path / "s.mha"
    sitk.WriteImage(sitk.JoinSeries(random_images(2, np.int16)), str(path))
    header = path.read_bytes()
    # regular as a whole, but the first three axes have only two directions
    singular = b"TransformMatrix = 0 0 0 1 0 1 0 0 0 0 1 0 1 0 0 0\n"
    path.write_bytes(re.sub(rb"TransformMatrix = .*\n", singular, header))

    with pytest.raises(InputError, match=r"s\.mha: a spacing of .* give its frames no place in space"):
        list(read_sequence(path))


@pytest.mark.parametrize("true", ["T", "1", "yes", "True", "false"])
@pytest.mark.parametrize("field", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData"])
def test_booleans_of_a_metaimage_are_read_as_itk_reads_them(field, true, tmp_path):
    voxels = np.arange(48, dtype=np.int16).reshape(4, 3, 4)
    header = f"NDims = 3\nDimSize = 4 3 4\nBinaryData = True\n{field} = {true}\nElementType = MET_SHORT\n"
    is_true = true in ("T", "1", "True")
    content = voxels.astype(">i2" if is_true and field != "CompressedData" else "<i2").tobytes()
    if is_true and field == "CompressedData":
        content = zlib.compress(content)
        header += f"CompressedDataSize = {len(content)}\n"
    (tmp_path / "a.mha").write_bytes(f"ObjectType = Image\n{header}ElementDataFile = LOCAL\n".encode() + content)

    found = read_sequence(tmp_path / "a.mha")[0].image

    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), voxels)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.mha"))), voxels)


def test_frames_of_a_folder_may_have_a_fourth_axis_of_one(tmp_path):
    voxels = np.arange(48, dtype=np.int16).reshape(4, 3, 4)
    for number in range(2):
        sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(voxels + number)]), str(tmp_path / f"{number}.mha"))

    found = read_sequence(tmp_path)

    np.testing.assert_array_equal([sitk.GetArrayFromImage(frame.image) for frame in found], [voxels, voxels + 1])


@pytest.mark.parametrize("kinds", ["domain domain list", "list domain domain domain", "domain list domain domain"])
def test_metaimage_whose_frames_lie_along_another_axis_is_refused_with_a_way_out(kinds, tmp_path):
    sizes = " ".join(["4"] * len(kinds.split()))
    header = f"ObjectType = Image\nNDims = {len(kinds.split())}\nDimSize = {sizes}\nKinds = {kinds}\n"
    content = f"{header}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode() + bytes(256)
    (tmp_path / "a.mha").write_bytes(content)

    with pytest.raises(InputError, match=r"is a list by its header, .* along a fourth axis"):
        read_sequence(tmp_path / "a.mha")


@pytest.mark.parametrize(
    ("times", "expected"),
    [(["12.5", "12.54", "12.61"], ["12.5", "12.54", "12.61"]), (["12.5", "12.54"], ["0", "1", "2"])],
)
def test_times_of_the_frames_of_a_metaimage_become_index_values_where_all_are_there(times, expected, tmp_path):
    header = "ObjectType = Image\nNDims = 4\nDimSize = 2 2 2 3\nKinds = domain domain domain list\n"
    header += "".join(f"Seq_Frame{number:04d}_Timestamp = {time}\n" for number, time in enumerate(times))
    (tmp_path / "a.mha").write_bytes(f"{header}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode() + bytes(24))

    index = read_sequence(tmp_path / "a.mha").index

    assert index.values == expected
    assert (index.name, index.unit) == (("time", "s") if len(times) == 3 else ("frame", ""))


def write_metaimage(path, fields):
    header = f"ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\n{fields}ElementType = MET_UCHAR\n"
    path.write_bytes(f"{header}ElementDataFile = LOCAL\n".encode() + bytes(64))


@pytest.mark.parametrize("in_folder", [False, True])
def test_metaimage_without_a_voxel_size_is_told_and_one_in_another_unit_refused(in_folder, tmp_path):
    path = tmp_path / "a.mha"
    source = tmp_path if in_folder else path

    write_metaimage(path, "")
    assert "a.mha: its header gives voxels no size" in read_sequence(source).warnings[0]
    write_metaimage(path, "ElementSpacing = 2 2 8\nDistanceUnits = mm\n")
    assert read_sequence(source).warnings == []
    write_metaimage(path, "ElementSpacing = 2 2 8\nDistanceUnits = um\n")
    with pytest.raises(InputError, match=r"a\.mha: its header gives lengths in um, and Slicer"):
        read_sequence(source)


@pytest.mark.parametrize("orders", [("True", "False"), ("False", "True")])
def test_metaimage_with_two_byte_orders_is_refused(orders, tmp_path):
    path = tmp_path / "s.mha"
    sitk.WriteImage(random_images(1, np.int16)[0], str(path))
    one, other = orders
    both = f"BinaryDataByteOrderMSB = {one}\nElementByteOrderMSB = {other}\n".encode()
    path.write_bytes(path.read_bytes().replace(b"BinaryDataByteOrderMSB = False\n", both))

    with pytest.raises(InputError, match=r"s\.mha: its header gives both byte orders"):
        read_sequence(path)
