"""Validation: a network is scored on what it would find in a run."""

import numpy as np
import pytest
import torch
from CLSTMSegmentLib.model.rules import GeometryRule, StateRule
from CLSTMSegmentLib.training.labelled_hearts import LabelledSequence
from CLSTMSegmentLib.training.sparse_labels import UNKNOWN
from CLSTMSegmentLib.training.validation import Score, predictions, validate
from conftest import smallModel

from training.small_training import CPU

SHAPE = (8, 16, 16)


class Recorder(torch.nn.Module):
    """A network that finds class 1 in every voxel, and records the frames that it reads by their brightness."""

    def __init__(self):
        super().__init__()
        self.read = []

    def update_state(self, frame, state=None):
        self.read.append(round(float(frame.max()) * 10))
        return state

    def step(self, frame, state=None):
        state = self.update_state(frame, state)
        return torch.tensor([0.0, 1.0, 0.0])[None, :, None, None, None].expand(1, 3, *frame.shape[2:]), state


def sequence_of(count, annotated, cyclic, allowed=0b010):
    """Return a sequence in which frame t has the intensity t / 10."""
    frames = [np.full(SHAPE, t / 10, np.float16) for t in range(count)]
    return LabelledSequence("recorded", frames, {annotated: np.full(SHAPE, allowed, np.uint8)}, cyclic)


@pytest.fixture
def model():
    return smallModel(geometry=GeometryRule(spacing=(8.0, 6.0, 6.0)), state=StateRule("carry", warm_up_frames=3))


@pytest.mark.parametrize(
    ("annotated", "cyclic", "recurrent", "order"),
    [
        (0, False, True, [3, 2, 1, 0]),
        (0, True, True, [3, 4, 5, 0]),
        (2, False, True, [3, 2, 1, 0, 1, 2]),
        (2, True, False, [2]),
    ],
)
def test_frames_are_read_in_the_order_of_a_run(model, annotated, cyclic, recurrent, order):
    network = Recorder()

    list(predictions(network, [sequence_of(6, annotated, cyclic)], model, recurrent, CPU))

    assert network.read == order


def test_window_of_the_state_is_kept_in_validation():
    model = smallModel(state=StateRule("window", window=2, warm_up_frames=1))
    network = Recorder()

    list(predictions(network, [sequence_of(6, 5, False)], model, True, CPU))

    assert network.read == [3, 4, 5]


def test_only_classes_that_are_annotated_count(model):
    found, elsewhere = sequence_of(1, 0, False, 0b010), sequence_of(1, 0, False, 0b100)

    scores = [validate(Recorder(), [sequence], model, (1, 2), False, CPU) for sequence in (found, elsewhere)]

    assert scores == [Score(1.0, 1.0), Score(0.0, 0.0)]


def test_frames_in_which_no_structure_is_annotated_give_no_score(model):
    assert validate(Recorder(), [sequence_of(1, 0, False, UNKNOWN)], model, (1, 2), False, CPU) is None
