"""A moving hook as the sequence that is annotated."""

import pytest
from hook_phantom import SMALL, hook_sequence


@pytest.fixture(scope="session")
def hook():
    """Six frames of a hook, and their true labels."""
    return hook_sequence(3, 6, *SMALL)
