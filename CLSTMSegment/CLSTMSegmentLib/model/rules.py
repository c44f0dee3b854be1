"""The rules in a model's description: geometry, intensity, and how long the recurrent state lasts."""

from dataclasses import dataclass, replace

import numpy as np

from ..core.checks import are_numbers, is_number
from ..core.errors import InputError


@dataclass(frozen=True)
class GeometryRule:
    """How a model wants its frames laid out.

    Attributes:
        axes: unit vectors (LPS) of the model's D, H and W axes; a frame is reoriented by whole axes
            (permuted and flipped) to lie as close to them as it can. None: D, H, W are the
            image's own index axes i, j, k, never flipped.
        slice_axis: "thickest" makes the axis with the clearly largest spacing the model's D,
            whatever its direction; None leaves that to `axes`.
        spacing: voxel size of D, H, W in mm; None keeps the frame's own.
        patch: the only tile size (D, H, W) the network works at; None: any.
        smallest: the least size (D, H, W) the network works at, for one that takes any tile from
            there; smaller frames are padded up to it, as in its training.
        crop: "foreground" crops to the bounding box of what the intensity rule leaves above 0.

    Raises:
        InputError: values that make no sense.
    """

    axes: tuple[tuple[float, float, float], ...] | None = None
    slice_axis: str | None = None
    spacing: tuple[float, float, float] | None = None
    patch: tuple[int, int, int] | None = None
    smallest: tuple[int, int, int] = (8, 8, 8)
    crop: str | None = None

    def __post_init__(self):
        axes = self.axes
        if axes is not None and not (
            isinstance(axes, (tuple, list)) and len(axes) == 3 and all(are_numbers(axis, 3) for axis in axes)
        ):
            raise InputError(f"geometry: axes must be three vectors of three numbers, not {axes}")
        if axes is not None and not abs(np.linalg.det(np.array(axes, float))) > 0.1:
            raise InputError(f"geometry: axes must be unit vectors far from one plane, not {axes}")
        if self.spacing is not None and not (are_numbers(self.spacing, 3) and min(self.spacing) > 0):
            raise InputError(f"geometry: spacing must be three lengths in mm, not {self.spacing}")
        for name, size in (("patch", self.patch), ("smallest", self.smallest)):
            if size is not None and not (are_numbers(size, 3, whole=True) and min(size) >= 8 and max(size) <= 4096):
                raise InputError(f"geometry: {name} must be three whole numbers from 8 to 4096, not {size}")
        if self.smallest is None or self.slice_axis not in (None, "thickest") or self.crop not in (None, "foreground"):
            raise InputError(f"geometry: unknown slice_axis {self.slice_axis!r} or crop {self.crop!r}, or no smallest")


@dataclass(frozen=True)
class IntensityRule:
    """How a model wants its intensities.

    Attributes:
        scale: "percentile" maps the given percentiles (median over the frames of each frame's
            own) to 0 and 1 and clips; "min-max" maps the least and the greatest value.
        lower, upper: the percentiles, for "percentile".
        over: "sequence": statistics of all frames; "stack": of the frames that share one recurrent state.
        zero_below: scaled values below it become 0.
        gamma: the power to which scaled values are raised; below 1 it brings images closer together
            whose brightest parts (fat near the coil) outshine the rest by different factors.
    """

    scale: str = "percentile"
    lower: float = 1.0
    upper: float = 99.5
    over: str = "sequence"
    zero_below: float = 0.0
    gamma: float = 1.0

    def __post_init__(self):
        if self.scale not in ("percentile", "min-max") or self.over not in ("sequence", "stack"):
            raise InputError(f"intensity: unknown scale {self.scale!r} or over {self.over!r}")
        if not are_numbers((self.lower, self.upper, self.zero_below, self.gamma), 4):
            raise InputError("intensity: lower, upper, zero_below and gamma must be numbers")
        if not 0 <= self.lower < self.upper <= 100 or self.gamma <= 0:
            raise InputError("intensity: 0 <= lower < upper <= 100 and gamma > 0 are needed")


STATE_RULES = ("carry", "window", "reset")


@dataclass(frozen=True)
class StateRule:
    """How long the recurrent state lasts, and how an empty one is warmed up.

    Attributes:
        rule: "carry" keeps the state to the end of the sequence, "window" empties it every `window` frames, "reset"
            at every frame (the per-frame baseline).
        window: number of frames that a state lasts, for "window".
        warm_up_frames: number of frames that are read before the first one to fill an empty state: those before it
            in the sequence; before frame 0 the last ones of a cyclic sequence (a heartbeat), else the frames after
            it, backwards.
        cyclic: whether the last frame is followed by the first.

    Raises:
        InputError: values that make no sense.
    """

    rule: str = "carry"
    window: int = 5
    warm_up_frames: int = 0
    cyclic: bool = False

    def __post_init__(self):
        if self.rule not in STATE_RULES:
            raise InputError(f"unknown state rule {self.rule!r}: use carry, window:N or reset")
        whole = all(is_number(n, whole=True) for n in (self.window, self.warm_up_frames))
        if not whole or not isinstance(self.cyclic, bool):
            raise InputError("state: window and warm_up_frames must be whole numbers, and cyclic true or false")
        if self.window < 1 or self.warm_up_frames < 0:
            raise InputError("state: a window needs at least 1 frame, and the warm-up frames cannot be below 0")

    def changed(self, text: str | None, warm_up_frames: int | None) -> "StateRule":
        """Return this rule with what a user changes of it.

        Args:
            text: "carry", "window:N" or "reset"; None leaves the rule as it is.
            warm_up_frames: None leaves their number as it is.

        Raises:
            InputError: the text names no rule, or the number is below 0.
        """
        rule = self
        if text is not None:
            name, _, count = text.partition(":")
            if (name == "window") != count.isdecimal():
                raise InputError(f"unknown state rule {text!r}: use carry, window:N or reset")
            rule = replace(rule, rule=name, window=int(count) if count else rule.window)
        return rule if warm_up_frames is None else replace(rule, warm_up_frames=warm_up_frames)

    def __str__(self) -> str:
        return f"window:{self.window}" if self.rule == "window" else self.rule
