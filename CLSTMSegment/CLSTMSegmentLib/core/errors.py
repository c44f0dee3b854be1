"""The errors that a user can meet, by kind: bad input, a run that failed, a run that was cancelled."""


class InputError(ValueError):
    """The caller gave something that cannot be used.

    The message says what it is, why it cannot be used, and what to do. On the command line: exit status 2.
    """


class RunFailed(Exception):
    """The input was right, but the work could not be finished. On the command line: exit status 1."""


class StorageError(RunFailed):
    """A result cannot be stored, for instance because the disk is full."""


class TrainingDiverged(RunFailed):
    """The loss of a training is no longer a number."""


class CohortIncomplete(RunFailed):
    """Some sequences of a cohort failed; the results of the others are written."""


class Cancelled(Exception):
    """The caller asked to stop; all that was finished before is complete."""


def sitk_cause(error: RuntimeError) -> str:
    """Return what went wrong by an error of SimpleITK: its last line; those before name places in ITK's source."""
    return [line.strip() for line in str(error).splitlines() if line.strip()][-1]
