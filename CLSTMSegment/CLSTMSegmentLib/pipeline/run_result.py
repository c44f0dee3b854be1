"""The result of a run, as the report file of the run stores it."""

import hashlib
import json
from dataclasses import asdict, dataclass

from ..core.errors import InputError
from ..core.plain_text import plain_json
from ..core.sequence import SequenceIndex
from ..core.structure import Segment
from ..core.volume_curve import VolumeCurve
from ..engine.run_report import RunReport
from .fingerprints import Fingerprints


@dataclass(frozen=True)
class RunResult:
    """The volumes that a run found, and how it was done.

    Attributes:
        model, version: name and version of the model.
        curve: segment volumes of the frames that were segmented, and their quality flags.
        report: device, precision, tiles, the seconds of every stage, and warnings.
        state_rule: how long the recurrent state lasted: "carry", "window:N" or "reset".
        warm_up_frames: number of frames that filled an empty recurrent state.
        peak_memory_mib: the most memory that the process has held, in MiB.
        fingerprints: of what the result was made from, and of its labels; None for a run without a report file.
    """

    model: str
    version: str
    curve: VolumeCurve
    report: RunReport
    state_rule: str
    warm_up_frames: int
    peak_memory_mib: int
    fingerprints: Fingerprints | None = None

    @property
    def seconds(self) -> float:
        """Return the seconds that all stages of the run took together."""
        return sum(self.report.seconds.values())

    def to_json(self) -> str:
        """Return the result as JSON text; volumes and seconds are rounded to three decimals.

        The SHA-256 of all that it says is in it too, so that a report that somebody has changed is known.
        """
        report = self.report
        content = {
            "model": {"name": self.model, "version": self.version},
            "device": report.device,
            "precision": report.precision,
            "tile": report.tile,
            "tiles_per_frame": report.tiles_per_frame,
            "state_rule": {"rule": self.state_rule, "warm_up_frames": self.warm_up_frames},
            "frames": len(self.curve.frames),
            "index": asdict(self.curve.index),
            "seconds": {stage: round(seconds, 3) for stage, seconds in report.seconds.items()},
            "peak_memory_mib": self.peak_memory_mib,
            "volumes_ml": self.curve.to_rows(),
            "warnings": report.warnings,
            "flags": self.curve.flags_to_rows(),
            "sha256": None if self.fingerprints is None else asdict(self.fingerprints),
        }
        if self.fingerprints is not None:
            content["sha256"]["report"] = _digest(content)
        return plain_json(content) + "\n"

    @classmethod
    def from_json(cls, text: str, segments: tuple[Segment, ...]) -> "RunResult":
        """Read what `to_json` wrote.

        Args:
            text: JSON text.
            segments: segments of the model that made the result.

        Raises:
            InputError: the text is not the result of a run with these segments, or was changed since.
        """
        try:
            content = json.loads(text)
            index = SequenceIndex(**content["index"])
            fingerprints = content["sha256"]
            if fingerprints is not None:
                expected = fingerprints.pop("report", None)
                if expected is not None and expected != _digest(content):
                    raise InputError("it was changed after the run")
                begins = tuple(fingerprints.pop("begins_of_labels", ()))
                fingerprints = Fingerprints(**fingerprints, begins_of_labels=begins)
            return cls(
                content["model"]["name"],
                content["model"]["version"],
                VolumeCurve.from_rows(segments, index, content["volumes_ml"], content["flags"]),
                RunReport(
                    content["device"],
                    content["precision"],
                    tuple(content["tile"]),
                    content["tiles_per_frame"],
                    {stage: float(seconds) for stage, seconds in content["seconds"].items()},
                    content["warnings"],
                ),
                content["state_rule"]["rule"],
                content["state_rule"]["warm_up_frames"],
                content["peak_memory_mib"],
                fingerprints,
            )
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise InputError(f"this is not the report of a run with these segments ({error})") from error


def _digest(content: dict[str, object]) -> str:
    """Return the SHA-256 of the content of a report that does not have it yet."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
