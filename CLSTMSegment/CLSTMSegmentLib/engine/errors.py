"""The one error that user input can cause."""


class InputError(ValueError):
    """Something the caller gave cannot be used: the message names what, why, and what to do."""
