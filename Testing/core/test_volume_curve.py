"""Segment volumes over time: extremes, ejection fraction, flags, and the rows of a report."""

import json

import pytest
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.core.volume_curve import Extremes, Flag, FrameVolumes, VolumeCurve, ejection_fraction

CAVITY = Segment("cavity", "Cavity", (1.0, 0.0, 0.0), ejecting_chamber=True)
MUSCLE = Segment("muscle", "Muscle", (0.0, 1.0, 0.0))
INDEX = SequenceIndex(["0", "40", "80"], "time", "ms")


@pytest.fixture
def curve():
    curve = VolumeCurve((CAVITY, MUSCLE), INDEX)
    for number, (cavity, muscle) in enumerate([(120.0, 100.0), (60.0, 105.0), (110.0, 100.0)]):
        curve.add(FrameVolumes(number, INDEX.values[number], (cavity, muscle)))
    return curve


def test_extremes_name_the_first_frames_that_have_them(curve):
    assert curve.extremes(0) == Extremes(120.0, 0, 60.0, 1)
    assert curve.extremes(1) == Extremes(105.0, 1, 100.0, 0)
    assert VolumeCurve((CAVITY,), INDEX).extremes(0) is None


def test_ejection_fraction_is_given_for_an_ejecting_chamber_alone(curve):
    assert curve.ejection_fraction(0) == pytest.approx(50.0)
    assert curve.ejection_fraction(1) is None


def test_single_frame_has_no_ejection_fraction():
    assert VolumeCurve((CAVITY,), INDEX, [FrameVolumes(0, "0", (50.0,))]).ejection_fraction(0) is None


def test_chamber_that_was_never_found_has_no_ejection_fraction():
    curve = VolumeCurve((CAVITY,), INDEX, [FrameVolumes(n, str(n), (0.0,)) for n in range(2)])

    assert curve.ejection_fraction(0) is None
    assert ejection_fraction(0.0, 0.0) is None


def test_jumps_of_a_volume_are_flagged_beside_the_flags_of_single_frames(curve):
    curve.add(FrameVolumes(3, "120", (112.0, 0.0)), [Flag(3, "Muscle", "empty")])

    signs = [(flag.frame, flag.segment, flag.sign) for flag in curve.flags]

    assert (3, "Muscle", "empty") in signs
    assert [(frame, segment) for frame, segment, sign in signs if "jumps" in sign] == [
        (1, "Cavity"),
        (2, "Cavity"),
        (3, "Muscle"),
    ]


def test_titles_give_the_units(curve):
    assert curve.index_title == "time [ms]"
    assert curve.volume_titles == ["Cavity [ml]", "Muscle [ml]"]
    assert VolumeCurve((), SequenceIndex([], name="")).index_title == "frame"


def test_curve_survives_the_rows_of_a_report(curve):
    curve.frame_flags.append(Flag(2, "image", "unlike the training in contrast"))

    rows, flags = json.loads(json.dumps([curve.to_rows(), curve.flags_to_rows()]))
    read = VolumeCurve.from_rows(curve.segments, INDEX, rows, flags)

    assert read == curve
    assert read.flags == curve.flags


def test_jump_of_a_tiny_volume_is_flagged_once_after_the_rows_of_a_report():
    curve = VolumeCurve((MUSCLE,), INDEX)
    for number, ml in enumerate((0.00149, 0.00251, 0.0021)):
        curve.add(FrameVolumes(number, INDEX.values[number], (ml,)))

    read = VolumeCurve.from_rows(curve.segments, INDEX, curve.to_rows(), curve.flags_to_rows())

    assert [flag.frame for flag in read.flags].count(1) == 1
