"""Sparse labels: what is not annotated teaches nothing."""

import numpy as np
import pytest
import torch
from CLSTMSegmentLib.training.marginal_loss import marginal_loss
from CLSTMSegmentLib.training.sparse_labels import UNKNOWN, Border, allowed_classes, certain_labels
from torch.nn import functional


def test_class_that_was_not_annotated_may_be_anywhere_that_is_not_labelled():
    labels = np.array([0, 1, 0], np.uint8)

    assert allowed_classes(labels, [1], 3).tolist() == [0b101, 0b010, 0b101]
    assert allowed_classes(labels, [1, 2], 3).tolist() == [0b001, 0b010, 0b001]


def test_labels_are_certain_where_one_class_alone_is_possible():
    allowed = np.array([0b001, 0b010, 0b100, 0b110, 0b101, UNKNOWN], np.uint8)

    assert certain_labels(allowed).tolist() == [0, 1, 2, 0, 0, 0]


def test_border_is_known_near_the_inner_class_and_excluded_far_from_it_within_slices():
    labels = np.zeros((2, 41, 41), np.uint8)
    labels[0, 18:23, 18:23] = 1
    allowed = allowed_classes(labels, [1], 3)
    allowed[0, 20, 24] = UNKNOWN

    Border(inner=1, outer=2, from_mm=3.0, to_mm=5.0, most_mm=20.0).apply(allowed, (8.0, 2.0, 2.0))

    assert allowed[0, 20, 20] == 0b010
    assert allowed[0, 20, 17] == 0b101  # 2 mm
    assert allowed[0, 20, 16] == 0b100  # 4 mm
    assert allowed[0, 20, 15] == 0b101  # 6 mm
    assert allowed[0, 20, 2] == 0b001  # 32 mm
    assert allowed[0, 20, 24] == UNKNOWN
    assert (allowed[1] == 0b101).all()  # nothing is known in a slice without the inner class


def test_loss_ignores_what_is_not_annotated():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 4, 4)
    labels = np.zeros((1, 4, 4, 4), np.uint8)
    labels[:, :2] = 1
    allowed = torch.from_numpy(allowed_classes(labels, [1], 3))
    allowed[:, :, :, 3] = UNKNOWN

    loss = marginal_loss(logits, allowed)
    unknown_changed = logits.clone()
    unknown_changed[..., 3] = torch.randn(1, 3, 4, 4)
    p = logits.softmax(1)
    rest = (allowed == 0b101)[:, None]
    swapped = torch.where(rest, p[:, [2, 1, 0]], p).log()  # the classes that were not told apart
    wrong = logits.clone()
    wrong[:, 1, 2:] += 5  # cavity where there is none

    torch.testing.assert_close(marginal_loss(unknown_changed, allowed), loss)
    torch.testing.assert_close(marginal_loss(swapped, allowed), loss)
    assert marginal_loss(wrong, allowed) > loss


def test_loss_of_a_perfect_answer_is_nearly_nothing():
    labels = np.random.default_rng(0).integers(0, 3, (1, 8, 16, 16)).astype(np.uint8)
    logits = functional.one_hot(torch.from_numpy(labels).long(), 3).movedim(-1, 1) * 30.0

    assert marginal_loss(logits, torch.from_numpy(allowed_classes(labels, [1, 2], 3))) < 1e-3


def test_class_that_is_not_annotated_adds_no_dice_loss():
    labels = np.zeros((1, 8, 16, 16), np.uint8)
    labels[:, :, 4:12, 4:12] = 1
    logits = torch.stack([torch.from_numpy(labels == c) for c in range(3)], 1) * 7.0
    logits[:, 2] = 0  # a little of the other class everywhere

    assert marginal_loss(logits, torch.from_numpy(allowed_classes(labels, [1], 3))) < 0.02


def test_small_structure_that_is_missed_costs_as_much_beside_a_large_one_as_alone():
    allowed = torch.zeros(2, 8, 8, 8, dtype=torch.uint8) + 1
    allowed[0, 3:5, 3:5, 3:5] = 1 << 1
    allowed[1, 1:7, 1:7, 1:7] = 1 << 1
    right = functional.one_hot((allowed == 2).long(), 2).movedim(-1, 1) * 60.0
    missed = right.clone()
    missed[0] = torch.tensor([60.0, 0.0])[:, None, None, None]

    cross_entropy = 60.0 * 8 / allowed.numel()
    loss = marginal_loss(missed, allowed) - marginal_loss(right, allowed) - cross_entropy

    by_frame = 0.5 * (1 - 1 / 9)  # of two frames
    by_slice = 0.5 * 2 / 8 * (1 - 1 / 5)  # of two slices and six
    assert loss == pytest.approx(by_frame + by_slice, abs=1e-3)
