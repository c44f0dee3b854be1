"""Faults of the panel's models need what the application has."""

import scene.conftest  # noqa: F401  starts it
