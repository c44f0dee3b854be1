"""The first look at a sequence, which can begin before there is a segmenter."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.first_look import FirstLook
from CLSTMSegmentLib.engine.intensity_window import find_intensity_window
from CLSTMSegmentLib.model.rules import IntensityRule

from engine.small_runs import arrays, assert_same, labels_of, segmenter_for


def look_at(model, frames, read):
    def reading(number):
        read.append(number)
        return frames[number]

    return FirstLook(model.intensity, model.geometry, range(len(frames)), reading)


@pytest.mark.parametrize("rule", [IntensityRule("percentile"), IntensityRule("min-max")])
def test_look_in_two_parts_gives_the_window_of_all_frames(rule, model, cine):
    read = []
    look = FirstLook(rule, model.geometry, range(len(cine)), lambda number: read.append(number) or cine[number])

    look.go_on(enough=lambda: len(read) == 2)
    assert read == [0, 1]
    look.go_on()

    assert read == list(range(len(cine)))
    assert look.window() == find_intensity_window(rule, [sitk.GetArrayFromImage(frame.image) for frame in cine])


def test_run_reads_only_the_frames_that_were_not_looked_at(model, cine):
    read = []
    look = look_at(model, cine, read)
    look.go_on(enough=lambda: len(read) == 4)

    labels = {frame.number: frame.labels for frame in segmenter_for(model).segment(cine, look=look)}

    assert read == list(range(len(cine)))
    assert_same(arrays(labels), arrays(labels_of(model, cine)))


def test_frame_that_cannot_be_used_is_named(model, cine):
    vectors = sitk.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True)

    with pytest.raises(InputError, match=r"frame 1 \(7\) is a colour or vector image"):
        look_at(model, [cine[0], Frame(vectors, "7")], []).go_on()
