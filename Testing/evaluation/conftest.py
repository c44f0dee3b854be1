"""The labelled phantoms of the training tests, for the tests of the evaluation."""

from training.conftest import hearts  # noqa: F401
