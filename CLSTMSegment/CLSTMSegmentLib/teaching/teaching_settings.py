"""The settings of a teaching job: one form for the command line, the panel, the console and the worker."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..core.errors import InputError
from ..core.structure import Segment, check_different
from ..model.bundle import load_model
from ..model.description import check_name
from ..model.rules import IntensityRule

MOST_SEGMENTS = 7

MOST_MINUTES = 10_000
"""About a week."""

NEW_MODEL_INTENSITY = IntensityRule(lower=0.5, upper=99.5)
"""The intensity rule of a model that is taught from random weights."""


@dataclass(frozen=True)
class TeachingSettings:
    """What a teaching job makes, and how.

    Attributes:
        name: name of the new model and of its folder.
        segments: the structures that the model will find; label n of an annotation is the n-th segment.
        initial: the model to begin with: name of a bundled model, folder of a model, or a published checkpoint
            (`.pth`); None to begin with random weights.
        minutes: time that the job may take.
        device: "auto" (the first GPU that works, else the CPU), "cpu", "cuda", "cuda:N" or "mps".
        hold_out_frames: whether part of the time is spent on measuring how good the model will be: for each fold of
            the annotated frames, a network learns from the other frames and is scored on these.
        propagated_frames: those of the annotated frames, each as (sequence, frame number), to which the drawn ones were
            propagated. A network learns from them, but is never scored on them; and no drawn frame can be held out,
            because they repeat what is drawn in it.

    Raises:
        InputError: a value that makes no sense.
    """

    name: str
    segments: tuple[Segment, ...]
    initial: str | None = None
    minutes: float = 8.0
    device: str = "auto"
    hold_out_frames: bool = True
    propagated_frames: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        check_name(self.name)
        if not self.segments:
            raise InputError("nothing is annotated: draw at least one segment in at least one frame")
        if len(self.segments) > MOST_SEGMENTS:
            raise InputError(f"{len(self.segments)} segments are too many: at most {MOST_SEGMENTS} can be taught")
        check_different(self.segments)
        if not 0 < self.minutes <= MOST_MINUTES:
            raise InputError(f"the minutes must be above 0, not {self.minutes}; at most {MOST_MINUTES} are possible")

    def intensity_rule(self) -> IntensityRule:
        """Return how the new model scales intensities: as the initial model does, over the whole sequence.

        Raises:
            InputError: the initial model cannot be read.
        """
        if self.initial is None:
            return NEW_MODEL_INTENSITY
        return replace(load_model(self.initial).intensity, over="sequence")

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> "TeachingSettings":
        """Return the settings from the content of a JSON file that holds `dataclasses.asdict` of them.

        Raises:
            InputError: a value that makes no sense.
            KeyError, TypeError, AttributeError: the content has another form.
        """
        segments = tuple(Segment(**segment | {"color": tuple(segment["color"])}) for segment in content["segments"])
        propagated = tuple((sequence, number) for sequence, number in content.get("propagated_frames", ()))
        return cls(**{**content, "segments": segments, "propagated_frames": propagated})
