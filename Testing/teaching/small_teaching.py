"""Training sets of the hook, and callbacks that end a teaching job early."""

import json
from contextlib import contextmanager

import torch
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.teaching.teaching_settings import TeachingSettings
from CLSTMSegmentLib.teaching.training_set import write_training_set

ANNOTATED = (0, 2, 4)
"""The fewest frames of which some are held out: a teaching job is then three folds and the model."""

CPU = torch.device("cpu")
HOOK = Segment("hook", "Hook", PALETTE[0])


def hook_training_set(folder, hook, numbers=ANNOTATED, **settings):
    """Write the training set of a teaching job for a model "hook" from some frames of a sequence and its labels."""
    frames, truth = hook
    settings = {"segments": (HOOK,), "device": "cpu", "minutes": 0.05} | settings
    return write_training_set(folder, TeachingSettings("hook", **settings), [(frames, {n: truth[n] for n in numbers})])


def stop_after(steps):
    """Return a callback that stops a teaching job once it has been asked so many times."""
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) >= steps

    return cancelled


def weights_of(folder):
    """Return the weights of the model in a folder."""
    return load_model(folder).build_network().state_dict()


def description_in(folder):
    """Return the content of the model.json in a folder."""
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


@contextmanager
def largest_file(size):
    """Let no file grow above a size in bytes while the block runs, as on a full disk; only on POSIX."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
