"""Measurements of a segmented frame, and signs that its segmentation may be wrong."""

import numpy as np
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import SegmentedFrame, SequenceIndex
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.core.volume_curve import Flag, FrameVolumes, VolumeCurve
from CLSTMSegmentLib.engine.quality import frame_flags, measure_frame

INNER, OUTER = Segment("inner", "Inner", (1.0, 0.0, 0.0)), Segment("outer", "Outer", (0.0, 1.0, 0.0))


def frame(*boxes, number=0, out_of_distribution=(), **geometry):
    return SegmentedFrame(number, str(number), labels(*boxes, **geometry), out_of_distribution)


def labels(*boxes, shape=(6, 20, 20), spacing=(1.5, 1.5, 8.0)):
    array = np.zeros(shape, np.uint8)
    for value, box in boxes:
        array[box] = value
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def test_empty_segment_is_flagged():
    found = frame((1, np.s_[2:4, 5:9, 5:9]), number=3)

    assert frame_flags(found, (INNER, OUTER)) == [Flag(3, "Outer", "empty")]


def test_segment_at_the_border_of_its_slices_is_flagged():
    (flag,) = frame_flags(frame((1, np.s_[2:4, 0:9, 5:9])), (INNER,))

    assert flag.sign == "touches the border of the image"


def test_segment_at_the_end_of_a_stack_of_thick_slices_is_not_flagged():
    assert frame_flags(frame((1, np.s_[0:6, 5:9, 5:9])), (INNER,)) == []


def test_segment_at_the_end_of_a_volume_without_thick_slices_is_flagged():
    cube = frame((1, np.s_[0:6, 5:9, 5:9]), spacing=(1.0, 1.0, 1.0), shape=(20, 20, 20))

    (flag,) = frame_flags(cube, (INNER,))

    assert flag.sign == "touches the border of the image"


def test_frame_unlike_the_training_is_flagged():
    found = frame((1, np.s_[2:4, 5:9, 5:9]), number=2, out_of_distribution=("contrast", "confidence"))

    (flag,) = frame_flags(found, (INNER,))

    assert (flag.frame, flag.segment) == (2, "image")
    assert flag.sign == "unlike the training in contrast and confidence"


def test_volume_that_jumps_from_a_frame_to_the_next_is_flagged():
    volumes = [(100.0, 10.0), (95.0, 10.0), (60.0, 10.0), (58.0, 10.0)]

    def curve(*numbers):
        frames = [FrameVolumes(n, str(n), ml) for n, ml in zip(numbers, volumes, strict=False)]
        return VolumeCurve((INNER, OUTER), SequenceIndex([]), frames)

    assert [(flag.frame, flag.segment) for flag in curve(4, 5, 6, 7).flags] == [(6, "Inner")]
    assert curve(0, 2, 9, 11).flags == []
    assert curve().flags == []


def test_measured_frame_adds_its_volumes_and_flags_to_the_curve():
    curve = VolumeCurve((INNER, OUTER), SequenceIndex(["a", "b"]))
    found = frame((1, np.s_[2:4, 5:9, 5:9]), number=1)

    curve.add(*measure_frame(found, curve.segments))

    (volumes,) = curve.frames
    assert (volumes.number, volumes.index_value) == (1, "1")
    assert volumes.ml == (2 * 4 * 4 * 1.5 * 1.5 * 8 / 1000, 0.0)
    assert curve.flags == [Flag(1, "Outer", "empty")]
