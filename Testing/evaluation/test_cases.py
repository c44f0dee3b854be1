"""What models are scored on: made-up beats, spoiled frames and repetitions of labelled hearts."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.evaluation.cases import BEAT, animated_case, read_cases, repeated_case, spoiled_case
from CLSTMSegmentLib.training.corruption import KINDS, corrupted


def pixels(image):
    return sitk.GetArrayFromImage(image).astype(float)


def test_cases_are_cines_and_single_phases_of_the_wanted_hearts(hearts):
    cases = list(read_cases(hearts, ["SC-HF-I-01", "B"]))
    assert [(c.heart, c.source, len(c.frames)) for c in cases] == [
        ("SC-HF-I-01", "cine", 4),
        ("SC-HF-I-01", "phases", 1),
        ("SC-HF-I-01", "phases", 1),
        ("B", "phases", 1),
        ("B", "phases", 1),
    ]
    assert [c.annotations[0].phase for c in cases] == ["ED", "ED", "ES", "ED", "ES"]


def test_animated_heart_contracts_and_relaxes_with_truth_in_every_frame(hearts):
    phase = next(c for c in read_cases(hearts, ["A"]) if c.annotations[0].phase == "ED")
    case = animated_case(phase)
    areas = [np.count_nonzero(pixels(case.annotations[t].labels) == 1) for t in range(BEAT)]
    assert np.argmax(areas) == 0
    assert areas[BEAT // 2] == pytest.approx(0.49 * areas[0], rel=0.2)  # few voxels
    assert case.frames[3].image.GetPixelID() == phase.frames[0].image.GetPixelID()
    assert case.frames[3].image.GetSpacing() == phase.frames[0].image.GetSpacing()
    assert not np.array_equal(pixels(case.frames[1].image), pixels(case.frames[19].image))  # noise of their own


def test_every_fourth_frame_is_spoiled_and_no_other(hearts):
    case = animated_case(next(read_cases(hearts, ["A"])))
    spoiled = spoiled_case(case, 2)
    assert spoiled.corrupted == {2, 6, 10, 14, 18}
    for t, (before, after) in enumerate(zip(case.frames, spoiled.frames, strict=True)):
        same = np.array_equal(pixels(before.image), pixels(after.image))
        assert same == (t not in spoiled.corrupted)
    assert spoiled.annotations == case.annotations


def test_repeated_cine_is_annotated_in_every_cycle(hearts):
    case = repeated_case(next(read_cases(hearts, ["SC-HF-I-01"])), 3)
    assert len(case.frames) == 12
    assert list(case.annotations) == [0, 4, 8]


@pytest.mark.parametrize("kind", KINDS)
def test_corrupted_frame_hardly_shows_what_it_did(kind):
    image = np.zeros((6, 48, 48), np.float32)
    image[:, 18:30, 18:30] = 1
    spoiled = corrupted(image, kind, np.random.default_rng(1))
    assert spoiled.shape == image.shape
    assert spoiled.dtype == np.float32
    assert spoiled.min() >= 0
    assert spoiled.max() <= 1
    assert np.corrcoef(spoiled.ravel(), image.ravel())[0, 1] < 0.75


def test_unknown_corruption_is_refused():
    with pytest.raises(ValueError, match="lost"):
        corrupted(np.zeros((2, 8, 8), np.float32), "melted", np.random.default_rng(0))
