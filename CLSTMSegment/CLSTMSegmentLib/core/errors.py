"""The one error that user input can cause."""


class InputError(ValueError):
    """Something the caller gave cannot be used: the message names what, why, and what to do."""


def sitk_cause(error: RuntimeError) -> str:
    """What an error of SimpleITK says went wrong: its last line; those before name places in its own source."""
    return [line.strip() for line in str(error).splitlines() if line.strip()][-1]
