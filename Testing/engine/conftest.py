"""A small sequence for the tests of the engine."""

import pytest


@pytest.fixture
def cine(phantom):
    return phantom[0]
