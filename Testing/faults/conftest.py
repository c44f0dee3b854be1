"""Some fault tests need the application: this starts it."""

import scene.conftest  # noqa: F401
