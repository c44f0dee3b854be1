"""NRRD files as other programs write them: the axis of their frames, and their index values."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.same_grid import ImageGrid
from CLSTMSegmentLib.io.sequence_files import read_sequence

VOXELS = np.random.default_rng(4).integers(-300, 900, (3, 4, 5, 6)).astype(np.int16)
PLACE = ["space: left-posterior-superior", "space origin: (4,-5,6)"]
LAST = [*PLACE, "space directions: (3,0,0) (0,2,0) (0,0,7) none"]
FIRST = [*PLACE, "space directions: none (3,0,0) (0,2,0) (0,0,7)"]


def write_nrrd(path, voxels, fields, charset="utf-8", line_end="\n"):
    """Write voxels, slowest axis first, below a header with these fields."""
    lines = ["NRRD0005", "type: int16", f"dimension: {voxels.ndim}", "encoding: raw", "endian: big"]
    lines += ["sizes: " + " ".join(map(str, voxels.shape[::-1])), *fields]
    path.write_bytes((line_end.join(lines) + 2 * line_end).encode(charset) + voxels.astype(">i2").tobytes())
    return path


def arrays(sequence):
    return np.stack([sitk.GetArrayFromImage(frame.image) for frame in sequence])


ALTERNATING = np.moveaxis(VOXELS, 0, -1)
AXES = {
    "list, last": (VOXELS, [*LAST, "kinds: domain domain domain list"], "cine.nrrd"),
    "list, first": (ALTERNATING, [*FIRST, "kinds: list domain domain domain"], "cine.nrrd"),
    "time, last": (VOXELS, [*LAST, "kinds: domain domain domain time"], "cine.nrrd"),
    "time, first": (ALTERNATING, [*FIRST, "kinds: time domain domain domain"], "cine.seq.nrrd"),
    "vector of a sequence": (ALTERNATING, [*FIRST, "kinds: vector domain domain domain"], "CINE.SEQ.NRRD"),
    "unknown kind": (VOXELS, [*LAST, "kinds: space space space ???"], "cine.nrrd"),
    "no kinds": (VOXELS, LAST, "cine.nrrd"),
    "no kinds, first": (ALTERNATING, FIRST, "cine.nrrd"),
}


@pytest.mark.parametrize("axis", AXES)
def test_frames_are_found_along_their_axis(tmp_path, axis):
    voxels, fields, name = AXES[axis]

    sequence = read_sequence(write_nrrd(tmp_path / name, voxels, fields))

    np.testing.assert_array_equal(arrays(sequence), VOXELS)
    image = sequence[1].image
    assert (image.GetSpacing(), image.GetOrigin()) == ((3, 2, 7), (4, -5, 6))
    assert sequence.index.values == ["0", "1", "2"]
    assert sequence.warnings == []


def test_file_of_very_many_frames_is_opened_with_one_look_at_their_common_grid(tmp_path, monkeypatch):
    # given
    looks = []
    straight = ImageGrid.straight
    monkeypatch.setattr(ImageGrid, "straight", lambda grid, name: looks.append(name) or straight(grid, name))
    write_nrrd(
        tmp_path / "many.nrrd", np.zeros((20_000, 1, 1, 1), np.int16), [*LAST, "kinds: domain domain domain list"]
    )

    # when
    found = read_sequence(tmp_path / "many.nrrd")

    # then
    assert len(found) == len(found.grids) == 20_000
    assert len(looks) == 1


@pytest.mark.parametrize("byte_order", ["Big", "BIG"])
def test_byte_order_is_read_in_any_case(tmp_path, byte_order):
    path = write_nrrd(tmp_path / "cine.nrrd", VOXELS, [*LAST, "kinds: domain domain domain list"])
    path.write_bytes(path.read_bytes().replace(b"endian: big", f"endian: {byte_order}".encode()))

    np.testing.assert_array_equal(arrays(read_sequence(path)), VOXELS)


@pytest.mark.parametrize("space", ["right-anterior-superior-time", "RAST", "Left-Anterior-Superior-Time", "last"])
def test_space_with_time_that_would_be_mirrored_is_refused_with_a_way_out(tmp_path, space):
    directions = "space directions: (3,0,0,0) (0,2,0,0) (0,0,7,0) (0,0,0,40)"
    fields = [f"space: {space}", "space origin: (4,-5,6,0)", directions, "kinds: domain domain domain time"]

    with pytest.raises(InputError, match=r"save it with the space (right|left)-anterior-superior"):
        read_sequence(write_nrrd(tmp_path / "cine.nrrd", VOXELS, fields))


def test_step_of_a_time_axis_gives_the_times(tmp_path):
    fields = ["kinds: domain domain domain time", "spacings: 3 2 7 37.5", 'units: "mm" "mm" "mm" "ms"']

    index = read_sequence(write_nrrd(tmp_path / "cine.nrrd", VOXELS, fields)).index

    assert (index.values, index.name, index.unit) == (["0", "37.5", "75"], "time", "ms")


def test_axis_that_is_not_time_is_refused_with_a_way_out(tmp_path):
    fields = [*FIRST, "kinds: vector domain domain domain"]
    with pytest.raises(InputError, match=r"colour or vector image.* rename it so that its name ends in \.seq\.nrrd"):
        read_sequence(write_nrrd(tmp_path / "cine.nrrd", ALTERNATING, fields))

    fields = [*FIRST, "kinds: RGB-color domain domain domain"]
    with pytest.raises(InputError, match="colour or vector image"):
        read_sequence(write_nrrd(tmp_path / "cine.seq.nrrd", ALTERNATING, fields))


def test_frames_between_the_axes_of_space_are_refused(tmp_path):
    fields = ["kinds: domain domain list domain", "spacings: 3 2 nan 7"]

    with pytest.raises(InputError, match="its frames lie along axis 2 of 0 to 3"):
        read_sequence(write_nrrd(tmp_path / "cine.nrrd", np.moveaxis(VOXELS, 0, 1), fields))


@pytest.mark.parametrize("tag", ["TriggerTime", "FlipAngle"])
def test_frame_labels_of_a_multi_volume_become_index_values(tmp_path, tag):
    fields = [*FIRST, "kinds: list domain domain domain", "MultiVolume.FrameLabels:=5,32.5,71"]
    fields += [f"MultiVolume.FrameIdentifyingDICOMTagName:={tag}", "MultiVolume.FrameIdentifyingDICOMTagUnits:=ms"]

    index = read_sequence(write_nrrd(tmp_path / "dce.nrrd", ALTERNATING, fields)).index

    assert (index.values, index.unit) == (["5", "32.5", "71"], "ms")
    assert index.name == ("time" if tag == "TriggerTime" else "FlipAngle")


@pytest.mark.parametrize(
    ("written", "kind", "expected", "type_expected", "warning"),
    [
        ("7 7 7", "numeric", ["7", "7 (2)", "7 (3)"], "text", "2 frames have the same index value"),
        ("ED ES ED", "text", ["ED", "ES", "ED (2)"], "text", "1 frames have the same index value"),
        ("0 40", "numeric", ["0", "40", "2"], "numeric", "has 3 frames and 2 index values"),
        ("1 2", "numeric", ["1", "2", "2 (2)"], "text", "1 frames have the same index value"),
        ("90 60 30", "numeric", ["90", "60", "30"], "numeric", "falls from 90 to 60 in frame 1"),
        ("0ms 40ms 80ms", "numeric", ["0ms", "40ms", "80ms"], "text", "are no numbers: they are used as texts"),
        ("5%25 15%25 25%25", "numeric", ["5%", "15%", "25%"], "text", "are no numbers: they are used as texts"),
        ("1 1.0 2", "numeric", ["1", "1.0", "2"], "text", "equal numbers"),
        ("nan 1 2", "numeric", ["nan", "1", "2"], "text", "are no numbers: they are used as texts"),
    ],
)
def test_odd_index_values_lose_no_frame_and_are_told(tmp_path, written, kind, expected, type_expected, warning):
    fields = [*LAST, "kinds: domain domain domain list"]
    fields += [f"axis 3 index type:={kind}", f"axis 3 index values:={written}"]

    sequence = read_sequence(write_nrrd(tmp_path / "cine.seq.nrrd", VOXELS, fields))

    assert (sequence.index.values, sequence.index.type) == (expected, type_expected)
    np.testing.assert_array_equal(arrays(sequence), VOXELS)
    assert any(warning in text for text in sequence.warnings)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_header_with_other_line_ends_and_characters_is_read(tmp_path, charset):
    fields = [*LAST, "kinds: domain domain domain list", 'labels: "" "" "" "Zeit für ES"', 'units: "" "" "" "µs"']
    fields += ["axis 3 index values:=0 40 80"]

    index = read_sequence(write_nrrd(tmp_path / "cine.seq.nrrd", VOXELS, fields, charset, "\r\n")).index

    assert (index.values, index.name, index.unit) == (["0", "40", "80"], "Zeit für ES", "µs")


@pytest.mark.parametrize(
    ("place", "units"),
    [
        (LAST, 'space units: "cm" "cm" "cm"'),
        (["spacings: 3 2 7 40"], 'units: "µm" "µm" "µm" "ms"'),
        (["spacings: 3 2 7 40"], 'units: "centimeters" "centimeters" "centimeters" "ms"'),
    ],
)
def test_lengths_in_another_unit_than_mm_are_refused(tmp_path, place, units):
    path = write_nrrd(tmp_path / "cine.nrrd", VOXELS, [*place, "kinds: domain domain domain time", units])

    with pytest.raises(
        InputError, match=r"cine\.nrrd: its header gives lengths in (cm|µm|centimeters), and Slicer would take"
    ):
        read_sequence(path)


def test_length_in_another_unit_than_mm_is_refused_in_a_folder_of_frames(tmp_path):
    for t in range(2):
        write_nrrd(tmp_path / f"{t}.nrrd", VOXELS[t], ["spacings: 3 2 7", 'units: "cm" "cm" "cm"'])

    with pytest.raises(InputError, match=r"0\.nrrd: its header gives lengths in cm"):
        read_sequence(tmp_path)


def test_minutes_along_the_axis_of_time_are_no_length(tmp_path):
    fields = ["spacings: 3 2 7 0.5", "kinds: domain domain domain time", 'units: "mm" "mm" "mm" "m"']

    assert read_sequence(write_nrrd(tmp_path / "cine.nrrd", VOXELS, fields)).index.unit == "m"


def test_voxels_without_a_size_are_told_in_a_folder_of_frames_too(tmp_path):
    for number, voxels in enumerate(VOXELS):
        write_nrrd(tmp_path / f"{number}.nrrd", voxels, [])

    warnings = read_sequence(tmp_path).warnings

    assert [warning for warning in warnings if "gives voxels no size" in warning] == warnings
    assert len(warnings) == 3


def test_place_of_the_first_voxel_is_no_part_of_the_size(tmp_path):
    fields = ["space: left-posterior-superior", LAST[2], "kinds: domain domain domain list"]

    assert read_sequence(write_nrrd(tmp_path / "cine.nrrd", VOXELS, fields)).warnings == []


def test_sheared_axes_are_refused_and_slightly_sheared_ones_taken_as_straight(tmp_path):
    def cine(shear):
        fields = [*PLACE, f"space directions: (3,0,0) (0,2,0) (0,{shear},7) none", "kinds: domain domain domain list"]
        return read_sequence(write_nrrd(tmp_path / "cine.nrrd", VOXELS, fields))

    direction = np.reshape(cine(0.02)[0].image.GetDirection(), (3, 3))
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
    with pytest.raises(InputError, match=r"cine\.nrrd is sheared: .* resample it to a straight grid first"):
        cine(2)


@pytest.mark.parametrize(
    "place",
    [[], ["spacings: 3 2 nan nan"], ["space dimension: 3", "space directions: (3,0,0) (0,2,0) (nan,nan,nan) none"]],
)
def test_voxels_without_a_size_are_told(place, tmp_path):
    fields = [*place, "kinds: domain domain domain list"]
    sequence = read_sequence(write_nrrd(tmp_path / "cine.nrrd", VOXELS, fields))

    assert sequence.warnings == [
        "cine.nrrd: its header gives voxels no size: 1 mm is assumed, and volumes may be wrong"
    ]


@pytest.mark.parametrize("kinds", ["none", "list", "domain domain domain", "domain domain domain list list"])
def test_header_with_another_number_of_kinds_than_of_axes_is_refused(kinds, tmp_path):
    path = write_nrrd(tmp_path / "cine.nrrd", VOXELS, [*LAST, f"kinds: {kinds}"])

    with pytest.raises(InputError, match=rf"cine\.nrrd: its header gives it 4 axes and {len(kinds.split())} kinds"):
        read_sequence(path)
