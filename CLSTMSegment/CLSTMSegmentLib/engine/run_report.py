"""The report of a run: the device and the tiles it used, the time of each stage, and its warnings."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..core.boxes import Shape

STAGES = ("read", "locate", "preprocess", "network", "postprocess")
"""The stages of a run whose times are measured."""


@dataclass
class RunReport:
    """The report of a run.

    Attributes:
        device: the device on which the network ran; the others follow where the run had to change it.
        precision: in which the network computed.
        tile: size (D, H, W) of a tile in voxels of the model's grid; None before the first frame.
        tiles_per_frame: number of tiles of the last frame.
        seconds: time of each stage in seconds; see `STAGES`.
        warnings: texts for people, each once.
    """

    device: str
    precision: str = "float32"
    tile: Shape | None = None
    tiles_per_frame: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to the time of a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def warn(self, text: str) -> None:
        """Add a warning, unless it was added before."""
        if text not in self.warnings:
            self.warnings.append(text)
