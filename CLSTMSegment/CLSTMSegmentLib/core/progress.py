"""What a run and a teaching job tell while they work."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
        frame, frames: the frame at work, from 1, and the number of frames to segment.
        tile, tiles: the tile at work, from 1, and the number of tiles of this frame.
        seconds_left: estimate; None until the first frame is done.
    """

    frame: int
    frames: int
    tile: int
    tiles: int
    seconds_left: float | None


@dataclass(frozen=True)
class TeachingProgress:
    """Where a teaching job is.

    Attributes:
        training, trainings: the training at work, from 1, and their number: one for each fold of held-out frames, and
            the last one, on all annotated frames, for the model itself.
        step, steps: steps done in this training, and their number.
        loss: mean over the last steps.
        seconds_left: estimate for the whole job; None until the second step is done.
        dice: mean Dice of the held-out frames (of all annotated frames in the last training), where this step ended
            with a validation.
    """

    training: int
    trainings: int
    step: int
    steps: int
    loss: float
    seconds_left: int | None
    dice: float | None
