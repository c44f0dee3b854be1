"""A moving hook as the sequence that is annotated, and teaching jobs that take seconds."""

import pytest
from CLSTMSegmentLib.teaching import taught_model, teaching_plan
from hook_phantom import SMALL, hook_sequence


@pytest.fixture(scope="session")
def hook():
    """Six frames of a hook, and their true labels."""
    return hook_sequence(3, 6, *SMALL)


@pytest.fixture
def few_steps(monkeypatch):
    """Make every training of a teaching job eight steps long, and networks with random weights narrow."""
    monkeypatch.setattr(teaching_plan, "STEPS", (8, 8))
    monkeypatch.setattr(taught_model, "WIDTH", {"cpu": 2, "gpu": 2})
