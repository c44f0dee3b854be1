"""Signs of a frame that needs a look."""

import numpy as np
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.engine.quality import Flag, frame_flags, jump_flags


def frame(*boxes, number=0, unfamiliar=(), **geometry):
    return SegmentedFrame(number, str(number), labels(*boxes, **geometry), unfamiliar)


def labels(*boxes, shape=(6, 20, 20), spacing=(1.5, 1.5, 8.0)):
    array = np.zeros(shape, np.uint8)
    for value, box in boxes:
        array[box] = value
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def test_empty_segment_is_flagged():
    found = frame((1, np.s_[2:4, 5:9, 5:9]), number=3)
    assert frame_flags(found, ["Inner", "Outer"]) == [Flag(3, "Outer", "empty")]


def test_segment_at_the_edge_of_its_slices_is_flagged_but_not_at_the_end_of_the_stack():
    assert frame_flags(frame((1, np.s_[0:6, 5:9, 5:9])), ["Inner"]) == []
    (flag,) = frame_flags(frame((1, np.s_[2:4, 0:9, 5:9])), ["Inner"])
    assert "border" in flag.sign
    cube = frame((1, np.s_[0:6, 5:9, 5:9]), spacing=(1.0, 1.0, 1.0), shape=(20, 20, 20))
    (flag,) = frame_flags(cube, ["Inner"])
    assert "border" in flag.sign


def test_frame_unlike_the_training_is_flagged():
    (flag,) = frame_flags(frame((1, np.s_[2:4, 5:9, 5:9]), number=2, unfamiliar=("contrast", "confidence")), ["Inner"])
    assert (flag.frame, flag.segment) == (2, "image")
    assert flag.sign == "unlike the training in contrast and confidence"


def test_volume_that_jumps_from_a_frame_to_the_next_is_flagged():
    volumes = [[100.0, 10.0], [95.0, 10.0], [60.0, 10.0], [58.0, 10.0]]
    assert [(f.frame, f.segment) for f in jump_flags([4, 5, 6, 7], volumes, ["Inner", "Outer"])] == [(6, "Inner")]
    assert jump_flags([0, 2, 9, 11], volumes, ["Inner", "Outer"]) == []
    assert jump_flags([], [], ["Inner"]) == []
