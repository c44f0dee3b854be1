"""The errors that a user can meet, by kind: bad input, a run that failed, a run that was cancelled."""


class InputError(ValueError):
    """An input or a setting cannot be used.

    The message names it, and says why it cannot be used and what to do. The command line ends with exit status 2.
    """


class RunFailed(Exception):
    """The input was right, but the work could not be finished. The command line ends with exit status 1."""


class StorageError(RunFailed):
    """A result cannot be stored, for instance because the disk is full."""


class TrainingDiverged(RunFailed):
    """The loss of a training became NaN or infinite."""


class CohortIncomplete(RunFailed):
    """Some sequences of a cohort failed; the results of the others are written."""


class Cancelled(Exception):
    """The user or the caller cancelled the work; the results that were finished before are complete."""


def sitk_cause(error: RuntimeError) -> str:
    """Return the cause of an error of SimpleITK: its last line; the other lines name places in the source of ITK."""
    return [line.strip() for line in str(error).splitlines() if line.strip()][-1]


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of NumPy, SimpleITK or PyTorch says that memory ran out, on any device."""
    return isinstance(error, MemoryError) or says_out_of_memory(str(error))


def says_out_of_memory(text: str) -> bool:
    """Return whether the text of an error, or what a process printed, says that memory ran out."""
    signs = (
        "out of memory",
        "can't allocate memory",
        "cannot allocate memory",
        "not enough memory",
        "Failed to allocate memory",
        "bad_alloc",
        # oneDNN says only this when it gets no scratch memory
        "could not create a primitive",
        "could not create a memory object",
        # ITK says only this when there is no memory for the stack of a thread
        "Unable to create thread",
        "Unable to join thread",
    )
    return any(sign in text for sign in signs)
