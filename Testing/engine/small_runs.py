"""Runs of the segmenter on the CPU, in float32 on every computer, that take a second."""

import numpy as np
import SimpleITK as sitk
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings


def segmenter_for(model, **settings):
    return Segmenter(model, RunSettings(**({"device": "cpu", "precision": "float32"} | settings)))


def labels_of(model, sequence, **settings):
    return {result.number: result.labels for result in segmenter_for(model, **settings).segment(sequence)}


def arrays(labels):
    return {number: sitk.GetArrayFromImage(image) for number, image in labels.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for number in a:
        np.testing.assert_array_equal(a[number], b[number])
