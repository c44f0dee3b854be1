"""The grid of a DICOM sequence: the same for all frames, and true to where the slices lie."""

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import read_sequence
from dicom_files import write_small_cine


def placed(position, **attributes):
    """Return a function that gives slice k at time t this position, which is a function of t and k."""
    return lambda t, k: {"TriggerTime": 30.0 * t, "ImagePositionPatient": list(position(t, k))} | attributes


SHEARED = {
    "along a row": lambda t, k: (10 + 1.1 * k, 5.0 * k, 20),
    "along a column": lambda t, k: (10, 5.0 * k, 20 - 0.4 * k),
    "in one slice": lambda t, k: (10 + (k == 2), 5.0 * k, 20),
    "at one time": lambda t, k: (10 + 0.5 * (t == 1), 5.0 * k, 20),
}


@pytest.mark.parametrize("case", SHEARED)
def test_images_that_lie_beside_each_other_are_no_straight_stack(case, tmp_path):
    write_small_cine(tmp_path / "cine", placed(SHEARED[case]), slices=4)

    with pytest.raises(InputError, match=r"IM\d+ lies \d\.\d\d mm beside .*: the images are no straight stack"):
        read_sequence(tmp_path / "cine")


def test_slices_a_little_off_their_place_are_taken_at_the_mean_gap_with_a_warning(tmp_path):
    write_small_cine(tmp_path / "cine", placed(lambda t, k: (10, (0, 5.0, 10.3, 15.0)[k], 20)), slices=4)

    found = read_sequence(tmp_path / "cine")

    assert found[0].image.GetSpacing() == (1.5, 2.0, 5.0)
    assert found.warnings == [
        "the gaps between slices differ, from 4.70 to 5.30 mm: their mean, 5.00 mm, is taken, and slices lie up to "
        "0.30 mm off"
    ]


def test_stack_in_which_a_slice_is_missing_is_refused(tmp_path):
    write_small_cine(tmp_path / "cine", placed(lambda t, k: (10, (0, 5.0, 15.0, 20.0)[k], 20)), slices=4)

    with pytest.raises(InputError, match=r"the gaps between slices differ, from 5.00 to 10.00 mm: slices are missing"):
        read_sequence(tmp_path / "cine")


def test_all_frames_have_one_grid_though_their_positions_differ_by_rounding(tmp_path):
    write_small_cine(tmp_path / "cine", placed(lambda t, k: (10 + 0.001 * t, 5.0 * k + 0.002 * t, 20)), slices=3)

    frames = [frame.image for frame in read_sequence(tmp_path / "cine")]

    assert len({(image.GetOrigin(), image.GetSpacing(), image.GetDirection()) for image in frames}) == 1


def test_slices_of_a_small_animal_stay_apart(tmp_path):
    """Their gaps are below the tolerance for the positions of human hearts."""
    write_small_cine(
        tmp_path / "mouse", placed(lambda t, k: (1, 0.08 * k, 2), PixelSpacing=[0.05, 0.05], SliceThickness=0.08)
    )

    image = read_sequence(tmp_path / "mouse")[0].image

    assert image.GetSize() == (4, 3, 2)
    assert image.GetSpacing() == (0.05, 0.05, 0.08)


@pytest.mark.parametrize(
    ("attributes", "thickness"),
    [
        ({"SpacingBetweenSlices": 9.5, "SliceThickness": 7}, 9.5),
        ({"SpacingBetweenSlices": -9.5}, 9.5),
        ({"SliceThickness": 7}, 7),
        ({"SpacingBetweenSlices": 0, "SliceThickness": 7}, 7),
    ],
)
def test_single_slice_is_as_thick_as_the_images_say(attributes, thickness, tmp_path):
    write_small_cine(tmp_path / "cine", placed(lambda t, k: (0, 0, 0), **attributes), slices=1)

    found = read_sequence(tmp_path / "cine")

    assert found[1].image.GetSpacing() == (1.5, 2.0, thickness)
    assert found.warnings == []


def test_single_slice_of_unknown_thickness_is_warned_of(tmp_path):
    write_small_cine(tmp_path / "cine", placed(lambda t, k: (0, 0, 0), SliceThickness=None), slices=1)

    found = read_sequence(tmp_path / "cine")

    assert found[0].image.GetSpacing()[2] == 1
    assert "volumes in ml are wrong" in found.warnings[0]
