"""The summary of a cohort: volumes, ejection fractions of chambers, flags, and why a sequence failed."""

import csv
from pathlib import Path

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.core.volume_curve import Flag, FrameVolumes, VolumeCurve
from CLSTMSegmentLib.report.cohort_summary import CohortRow, write_overview, write_summary

CAVITY = Segment("cavity", "Cavity", PALETTE[0], ejecting_chamber=True)
MUSCLE = Segment("muscle", "Muscle", PALETTE[1])


def row(segments, name="heart", volumes=((100.0, 50.0), (40.0, 52.0))):
    """A sequence of two frames, the second of which shows a flag."""
    curve = VolumeCurve(segments, SequenceIndex(["0", "40"], "time", "ms"))
    for number, ml in enumerate(volumes):
        curve.add(FrameVolumes(number, str(40 * number), ml), [Flag(1, "Muscle", "empty")] * number)
    return CohortRow(name, Path("heart.nrrd"), curve, 1.26, warnings=("no voxel size", "no times"))


def written(folder, segments, *rows):
    write_summary(folder / "summary.csv", segments, rows)
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_row_has_volumes_ejection_fraction_flags_and_time(tmp_path):
    header, line = written(tmp_path, (CAVITY, MUSCLE), row((CAVITY, MUSCLE)))

    assert dict(zip(header, line, strict=True)) == {
        "name": "heart",
        "input": "heart.nrrd",
        "frames": "2",
        "Cavity, greatest volume [ml]": "100.000",
        "Cavity, least volume [ml]": "40.000",
        "Muscle, greatest volume [ml]": "52.000",
        "Muscle, least volume [ml]": "50.000",
        "Cavity, ejection fraction [%]": "60.0",
        "flags": "frame 1: Muscle: empty; frame 1: Cavity: volume jumps by 86 % of its mean",
        "warnings": "no voxel size; no times",
        "time [s]": "1.3",
        "error": "",
    }


@pytest.mark.parametrize(
    ("segments", "columns"),
    [
        ((MUSCLE, CAVITY), ["Cavity, ejection fraction [%]"]),
        ((MUSCLE,), []),
        ((CAVITY,), ["Cavity, ejection fraction [%]"]),
    ],
    ids=["second", "none", "only"],
)
def test_ejection_fraction_is_there_for_ejecting_chambers_only(segments, columns, tmp_path):
    volumes = tuple(tuple(10.0 for _ in segments) for _ in range(2))

    header, _ = written(tmp_path, segments, row(segments, volumes=volumes))

    assert [name for name in header if "ejection" in name] == columns


def test_chamber_that_was_never_found_has_no_ejection_fraction(tmp_path):
    header, line = written(tmp_path, (CAVITY,), row((CAVITY,), volumes=((0.0,), (0.0,))))

    assert line[header.index("Cavity, ejection fraction [%]")] == ""


def test_sequence_that_failed_has_its_error_alone(tmp_path):
    failed = CohortRow("broken", Path("broken.nrrd"), None, error="no image")

    header, _, line = written(tmp_path, (CAVITY,), row((CAVITY,), volumes=((1.0,), (2.0,))), failed)

    assert line == ["broken", "broken.nrrd", *[""] * (len(header) - 3), "no image"]


def test_overview_has_a_curve_for_every_sequence(tmp_path):
    rows = [row((CAVITY, MUSCLE), f"heart {n}") for n in range(5)]
    rows.append(CohortRow("broken", Path("broken.nrrd"), None, error="no image"))

    write_overview(tmp_path / "overview.png", "Hearts", (CAVITY, MUSCLE), rows)

    width, height = sitk.ReadImage(str(tmp_path / "overview.png")).GetSize()
    assert width > 1000
    assert height > 400
