"""The rules in a model's description: geometry, intensity, and how long the recurrent state lasts."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..core.checks import are_numbers, is_number
from ..core.errors import InputError

MOST_TILE_VOXELS = 2**28
"""Largest number of voxels of a tile that a model can ask for."""


@dataclass(frozen=True)
class GeometryRule:
    """The axes, spacing and size of the frames that a network reads.

    Attributes:
        axes: unit vectors (LPS) of the model's D, H and W axes. The axes of a frame are permuted and flipped so that
            they come as close to these as possible. None takes the image's index axes i, j, k as D, H, W.
        slice_axis: "thickest" makes the axis with the clearly largest spacing the model's D, in whatever direction it
            points; None chooses all axes by `axes`.
        spacing: voxel size along D, H and W in mm; None keeps the spacing of the frame, along one axis or along all.
        patch: the only size (D, H, W) of a tile that the network can segment; None if it can segment tiles of any size.
        smallest: the least size (D, H, W) of a tile, without a `patch`. Smaller frames are padded to it, as in the
            training.
        crop: "foreground" crops frames to the bounding box of the voxels that are above 0 after scaling; None does not
            crop.

    Raises:
        InputError: a value is outside its range or of the wrong kind.
    """

    axes: tuple[tuple[float, float, float], ...] | None = None
    slice_axis: str | None = None
    spacing: tuple[float | None, float | None, float | None] | None = None
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
            raise InputError(f"geometry: axes must be unit vectors that do not lie in one plane, not {axes}")
        if self.spacing is not None:
            given = [n for n in self.spacing if n is not None] if isinstance(self.spacing, (tuple, list)) else []
            lengths = len(given) > 0 and are_numbers(given, len(given)) and min(given) >= 1e-6 and max(given) <= 1e6
            if not lengths or len(self.spacing) != 3:
                raise InputError(f"geometry: spacing must be three lengths in mm, or null, not {self.spacing}")
        for name, size, least in (("patch", self.patch, 8), ("smallest", self.smallest, 1)):
            if size is not None and not (are_numbers(size, 3, whole=True) and min(size) >= least and max(size) <= 4096):
                raise InputError(f"geometry: {name} must be three whole numbers from {least} to 4096, not {size}")
            if size is not None and prod(size) > MOST_TILE_VOXELS:
                raise InputError(f"geometry: {name} has {prod(size)} voxels, of which no computer segments a tile")
        if self.smallest is None or self.slice_axis not in (None, "thickest") or self.crop not in (None, "foreground"):
            raise InputError(f"geometry: unknown slice_axis {self.slice_axis!r} or crop {self.crop!r}, or no smallest")


@dataclass(frozen=True)
class IntensityRule:
    """How intensities are scaled to [0, 1].

    Attributes:
        scale: "percentile" maps two percentiles to 0 and 1; each is computed in every frame, and the median over the
            frames is taken. "min-max" maps the least and the greatest value to 0 and 1.
        lower, upper: the percentiles, for "percentile".
        over: the frames that are scaled together: "sequence" for all frames, "stack" for those that share one
            recurrent state.
        zero_below: scaled values below it become 0.
        gamma: the power to which scaled values are raised. Where the brightest structures (fat near the coil) differ in
            brightness from image to image, a gamma below 1 makes the images more alike.

    Raises:
        InputError: a value is outside its range or of the wrong kind.
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

MOST_WARM_UP_FRAMES = 1000
"""Largest number of warm-up frames: each of them takes as long as a frame of the run."""


@dataclass(frozen=True)
class StateRule:
    """How long the recurrent state lasts, and how an empty state is warmed up.

    Attributes:
        rule: "carry" keeps the state to the end of the sequence, "window" empties it every `window` frames, and
            "reset" empties it at every frame (the per-frame baseline).
        window: number of frames that a state lasts, for "window".
        warm_up_frames: number of frames that are read into an empty state before its first frame: the frames before
            that frame in the sequence. Before frame 0, they are the last frames of a cyclic sequence (a heartbeat), or
            else the frames after frame 0 in reverse order. Of a cyclic sequence, at most two cycles are read, or 10
            frames if that is more.
        cyclic: whether the first frame follows the last one.

    Raises:
        InputError: a value is outside its range or of the wrong kind.
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
        if self.window < 1 or not 0 <= self.warm_up_frames <= MOST_WARM_UP_FRAMES:
            raise InputError(
                "state: a window needs at least 1 frame, and the warm-up frames cannot be below 0 or above "
                f"{MOST_WARM_UP_FRAMES}"
            )

    def changed(self, text: str | None, warm_up_frames: int | None) -> "StateRule":
        """Return this rule with the changes of a user.

        Args:
            text: "carry", "window:N" or "reset"; None keeps the rule.
            warm_up_frames: number of warm-up frames; None keeps it.

        Raises:
            InputError: the text is not a rule, or the number is below 0.
        """
        rule = self
        if text is not None:
            name, _, count = text.partition(":")
            # Python reads no whole numbers of more than some thousand digits
            if (name == "window") != count.isdecimal() or len(count) > 9:
                raise InputError(f"unknown state rule {text!r}: use carry, window:N or reset")
            rule = replace(rule, rule=name, window=int(count) if count else rule.window)
        return rule if warm_up_frames is None else replace(rule, warm_up_frames=warm_up_frames)

    def __str__(self) -> str:
        return f"window:{self.window}" if self.rule == "window" else self.rule
