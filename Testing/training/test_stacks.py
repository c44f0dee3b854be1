"""Training stacks: they depend on seed and number alone, and hold the labels that the rule asks for."""

import numpy as np
import torch
from CLSTMSegmentLib.training.labelled_hearts import LabelledSequence, load_hearts
from CLSTMSegmentLib.training.recipe import read_recipe
from CLSTMSegmentLib.training.sparse_labels import UNKNOWN
from CLSTMSegmentLib.training.stacks import cine_times

from training.small_training import small_recipe, stacks


def test_stacks_depend_on_seed_and_number_alone_and_keep_labels_of_some_frames():
    images, allowed = stacks()[7]
    labelled = (allowed != UNKNOWN).any(dim=(0, 2, 3, 4))

    assert images.shape == allowed.shape
    assert images.shape[0] == 2
    assert 3 <= images.shape[1] <= 5
    assert images.shape[2:] == (8, 24, 24)
    assert labelled.sum() == 1
    assert not labelled[:-3].any()
    torch.testing.assert_close(stacks()[7], (images, allowed), atol=0, rtol=0)
    assert not torch.equal(stacks()[8][0][:, -1], images[:, -1])


def test_larger_patches_come_in_smaller_batches():
    batches = [stacks(batch=8, patches=((8, 16, 16), (8, 32, 32)))[n][0] for n in range(6)]

    assert {tuple(images.shape[::2]) for images in batches} == {(8, 8, 16), (2, 8, 32)}


def test_some_frames_of_a_stack_are_corrupted_and_keep_their_labels():
    clean, corrupted = stacks()[7], stacks(corrupted_share=1.0)[7]

    torch.testing.assert_close(corrupted[1], clean[1], atol=0, rtol=0)
    assert ((corrupted[0] - clean[0]).abs().mean(dim=(2, 3, 4)) > 0.02).all()


def test_one_annotated_frame_moves_and_every_frame_of_the_motion_has_labels(hearts, tmp_path):
    model = read_recipe(small_recipe(tmp_path, 2)).model
    phases = [s for s in load_hearts(hearts, model.geometry, model.intensity) if len(s.frames) == 1]

    images, allowed = stacks(phases, phantom_share=0.0, animated_share=1.0, labelled=3, frames=3, lead=0)[0]

    cavity = (allowed == 0b010).sum(dim=(2, 3, 4))
    assert (cavity > 0).all()
    assert len(set(cavity[0].tolist())) > 1
    assert not torch.equal(images[0, 0], images[0, 1])


def test_cine_is_read_onwards_after_its_end_where_it_is_cyclic_and_backwards_where_not():
    frames = [np.zeros((8, 8, 8), np.float16)] * 4

    for cyclic, after_the_last in ((True, 0), (False, 2)):
        sequence = LabelledSequence("cine", frames, {3: np.zeros((8, 8, 8), np.uint8)}, cyclic)
        orders = [cine_times(sequence, 3, 2, np.array([0]), np.random.default_rng(seed)) for seed in range(20)]
        assert {order[0] for order in orders} == {3}
        assert after_the_last in {order[1] for order in orders}
        assert (0 in {order[1] for order in orders}) == cyclic
