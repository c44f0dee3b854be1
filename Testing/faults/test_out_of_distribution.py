"""Images that the bundled heart model was not trained for are flagged, not silently segmented; hearts are not."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.evaluation.cases import read_cases
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.phantoms.airway import AIRWAY_AXES, AirwayPhantom
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.phantoms.phantom import CineShape, phantom_sequence


def image(array, spacing=(1.6, 1.6, 8.0)):
    made = sitk.GetImageFromArray(array.astype(np.float32))
    made.SetSpacing(spacing)
    return made


def noise():
    return image(np.random.default_rng(0).normal(100, 20, (10, 128, 128)))


def magnitude_noise():
    """Return an image as of a scan without a patient."""
    real, imaginary = np.random.default_rng(0).normal(0, 20, (2, 10, 128, 128))
    return image(np.hypot(real, imaginary))


def head():
    """Return a T1-weighted head: bright scalp, dark skull and fluid, grey and white matter."""
    d, h, w = np.meshgrid(*(np.linspace(-1, 1, n) for n in (16, 128, 112)), indexing="ij")
    radius = np.sqrt((d * 0.8) ** 2 + (h / 0.85) ** 2 + (w / 0.75) ** 2)
    tissue = np.select(
        [radius < 0.12, radius < 0.6, radius < 0.8, radius < 0.86, radius < 0.97], [40, 210, 150, 20, 240], 4
    )
    folds = 20 * np.sin(14 * h) * np.sin(16 * w) * (radius < 0.8)
    return image(tissue + folds + np.random.default_rng(1).normal(0, 6, tissue.shape))


def ct():
    """Return a chest in Hounsfield units, with lungs and a spine."""
    _, h, w = np.meshgrid(*(np.linspace(-1, 1, n) for n in (16, 128, 128)), indexing="ij")
    body = (h / 0.75) ** 2 + (w / 0.95) ** 2 < 1
    lungs = ((np.abs(w) - 0.45) / 0.3) ** 2 + (h / 0.5) ** 2 < 1
    spine = (w / 0.1) ** 2 + ((h - 0.55) / 0.1) ** 2 < 1
    hounsfield = np.select([spine, lungs, body], [600, -850, 40], -1000)
    return image(hounsfield + np.random.default_rng(2).normal(0, 15, hounsfield.shape))


def airway():
    shape = CineShape(frames=1, shape=(16, 96, 96), spacing=(4.0, 2.0, 2.0), cycle_ms=800.0)
    return phantom_sequence(AirwayPhantom(7), AIRWAY_AXES, 7, shape)[0][0].image


LOOKS_LIKE_A_HEART = pytest.mark.xfail(
    strict=True, reason="a lumen in a wall, as bright as a heart and found with the same confidence"
)


@pytest.fixture
def segmenter(bundled):
    """The bundled heart model on the CPU."""
    return Segmenter(load_model(bundled), RunSettings(device="cpu"))


@pytest.mark.parametrize("foreign", [noise, magnitude_noise, head, ct, pytest.param(airway, marks=LOOKS_LIKE_A_HEART)])
def test_foreign_image_is_flagged(foreign, segmenter):
    (frame,) = segmenter.segment([Frame(foreign(), "0")])

    empty = not (sitk.GetArrayViewFromImage(frame.labels) > 0).any()
    print(f"{foreign.__name__}: unlike the training in {frame.out_of_distribution}, {'' if empty else 'not '}empty")
    assert frame.out_of_distribution or empty


def test_phantom_heart_is_not_flagged(segmenter):
    frames = list(segmenter.segment(heart_sequence(4, 6)[0]))

    assert [frame.out_of_distribution for frame in frames] == [()] * 6


@pytest.mark.slow
def test_few_frames_of_hearts_outside_the_training_are_flagged(data, segmenter):
    training, count, alarms = segmenter.model.training, 0, []
    cases = read_cases(data, training["kept_for_test"] + training["validated_on"], training["same_heart"])

    for case in (case for case in cases if case.source == "phases"):
        for frame in segmenter.segment(case.frames):
            count += 1
            alarms += [(case.heart, frame.out_of_distribution)] if frame.out_of_distribution else []

    print(f"{len(alarms)} of {count} frames of hearts outside the training are flagged: {alarms}")
    assert count
    assert len(alarms) <= 0.1 * count
