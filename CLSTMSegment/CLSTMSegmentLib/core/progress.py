"""The progress that a run and a teaching job report while they work."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        frame, frames: the current frame, counted from 1, and the number of frames to segment.
        tile, tiles: the current tile, counted from 1, and the number of tiles of this frame.
        seconds_left: estimated time left in seconds; None until the first tile is done.
    """

    frame: int
    frames: int
    tile: int
    tiles: int
    seconds_left: float | None


@dataclass(frozen=True)
class TeachingProgress:
    """The progress of a teaching job.

    Attributes:
        training, trainings: the current training, counted from 1, and the number of trainings: one for each fold of
            held-out frames, and a last one on all annotated frames, which makes the model.
        step, steps: the number of steps that are done in this training, and the number of all its steps.
        loss: mean loss of the last steps.
        seconds_left: estimated time left for the whole job in seconds; None until the second step is done.
        dice: mean Dice of the held-out frames, or of all annotated frames in the last training; None where this step
            did not end with a validation.
    """

    training: int
    trainings: int
    step: int
    steps: int
    loss: float
    seconds_left: int | None
    dice: float | None
