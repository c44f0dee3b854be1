"""The sequences that models are scored on: animated hearts, corrupted frames and repeated cines."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.evaluation.cases import (
    ANIMATED_FRAMES,
    animated_case,
    corrupted_case,
    derived_cases,
    read_cases,
    repeated_case,
)
from CLSTMSegmentLib.training.corruption import KINDS, corrupted

SAME_HEART = {"SCD0000101": "SC-HF-I-01"}


def pixels(image):
    return sitk.GetArrayFromImage(image).astype(float)


def test_cases_are_the_cines_and_single_phases_of_the_chosen_hearts(hearts):
    cases = read_cases(hearts, ["SC-HF-I-01", "B"], SAME_HEART)

    assert [(c.heart, c.source, len(c.frames)) for c in cases] == [
        ("SC-HF-I-01", "cine", 4),
        ("SC-HF-I-01", "phases", 1),
        ("SC-HF-I-01", "phases", 1),
        ("B", "phases", 1),
        ("B", "phases", 1),
    ]
    assert [c.annotations[0].phase for c in cases] == ["ED", "ED", "ES", "ED", "ES"]


def test_cine_is_a_heart_of_its_own_unless_it_is_the_same_as_another(hearts):
    cases = read_cases(hearts, None, {})

    assert [case.heart for case in cases if case.source == "cine"] == ["SCD0000101"]


def test_animated_heart_contracts_and_relaxes_with_an_annotation_in_every_frame(hearts):
    phase = next(c for c in read_cases(hearts, ["A"], SAME_HEART) if c.annotations[0].phase == "ED")

    case = animated_case(phase)

    areas = [np.count_nonzero(pixels(case.annotations[t].labels) == 1) for t in range(ANIMATED_FRAMES)]
    assert np.argmax(areas) == 0
    assert areas[ANIMATED_FRAMES // 2] == pytest.approx(0.49 * areas[0], rel=0.2)  # few voxels
    assert case.frames[3].image.GetPixelID() == phase.frames[0].image.GetPixelID()
    assert case.frames[3].image.GetSpacing() == phase.frames[0].image.GetSpacing()
    assert not np.array_equal(pixels(case.frames[1].image), pixels(case.frames[19].image))  # their noise differs


def test_every_fourth_frame_is_corrupted_and_no_other(hearts):
    case = animated_case(read_cases(hearts, ["A"], SAME_HEART)[0])

    corrupt = corrupted_case(case, 2)

    assert corrupt.corrupted == {2, 6, 10, 14, 18}
    for t, (before, after) in enumerate(zip(case.frames, corrupt.frames, strict=True)):
        same = np.array_equal(pixels(before.image), pixels(after.image))
        assert same == (t not in corrupt.corrupted)
    assert corrupt.annotations == case.annotations


def test_repeated_cine_is_annotated_in_every_cycle(hearts):
    cine = read_cases(hearts, ["SC-HF-I-01"], SAME_HEART)[0]

    case = repeated_case(cine, 3)

    assert len(case.frames) == 12
    assert list(case.annotations) == [0, 4, 8]


def test_every_heart_is_animated_corrupted_and_its_cine_repeated(hearts):
    cases = read_cases(hearts, ["SC-HF-I-01"], SAME_HEART)

    derived = derived_cases(cases, cycles=2)

    assert [(case.source, case.condition, len(case.frames)) for case in derived] == [
        ("animated", "plain", 20),
        ("cine", "corrupted", 4),
        ("animated", "corrupted", 20),
        ("cine", "repeated", 8),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_corrupted_frame_hardly_resembles_the_original(kind):
    image = np.zeros((6, 48, 48), np.float32)
    image[:, 18:30, 18:30] = 1

    corrupt = corrupted(image, kind, np.random.default_rng(1))

    assert corrupt.shape == image.shape
    assert corrupt.dtype == np.float32
    assert corrupt.min() >= 0
    assert corrupt.max() <= 1
    assert np.corrcoef(corrupt.ravel(), image.ravel())[0, 1] < 0.75


def test_unknown_corruption_is_refused():
    with pytest.raises(ValueError, match="lost"):
        corrupted(np.zeros((2, 8, 8), np.float32), "melted", np.random.default_rng(0))


@pytest.mark.parametrize("kind", [sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkInt16, sitk.sitkInt32, sitk.sitkUInt32])
def test_noise_leaves_no_range_of_the_voxel_type(kind, hearts):
    phase = next(case for case in read_cases(hearts, ["A"], SAME_HEART) if case.source == "phases")
    image = sitk.Cast(sitk.RescaleIntensity(phase.frames[0].image, 0, 200), kind)
    phase = replace(phase, frames=[replace(phase.frames[0], image=image)])

    animated = animated_case(phase)
    corrupt = corrupted_case(animated)

    for frame in [*animated.frames, *corrupt.frames]:
        assert frame.image.GetPixelID() == kind
        assert sitk.GetArrayViewFromImage(frame.image).max() < 300
