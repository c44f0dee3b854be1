"""Small sequences and models for the tests of the engine."""

import pytest

from engine.two_stages import two_stage_model


@pytest.fixture
def cine(phantom):
    return phantom[0]


@pytest.fixture(scope="session")
def two_stages():
    """A model that finds what is brighter than 0.4, in the box around what is brighter than 0.8 and 16 mm."""
    return two_stage_model()
