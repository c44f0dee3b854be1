"""Names that come from files are shown on the terminal, and never obeyed by it."""

import sys
import warnings
from dataclasses import replace

import pytest
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.cli.segment import print_warnings
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.volume_curve import Flag, VolumeCurve
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.model.bundle import load_model, write_bundle
from CLSTMSegmentLib.pipeline.run_result import RunResult
from conftest import smallModel

NAME = "a\x1b[2J\x1b]0;title\x07\x9b31m\r\u202e"
CODES = "a\\x1b[2J\\x1b]0;title\\x07\\x9b31m\\r\\u202e"


def printed_by(capsys):
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_name_of_a_file_that_does_not_exist(capsys):
    assert main(["segment", f"{NAME}.nrrd", "-o", "out.seq.nrrd"]) == 2

    assert CODES.replace("\\r", " ") in printed_by(capsys)


def test_arguments_that_are_not_known(capsys):
    with pytest.raises(SystemExit):
        main(["segment", "a.nrrd", "-o", "out.seq.nrrd", NAME])

    printed = printed_by(capsys)
    assert CODES in printed
    assert "\x1b" not in printed


def test_texts_of_a_model(tmp_path, capsys):
    model = smallModel(title=NAME, description=f"one\ntwo {NAME}", licence=NAME)
    write_bundle(model, model.weights, tmp_path / "model")

    assert main(["model", "info", str(tmp_path / "model")]) == 0

    printed = printed_by(capsys)
    assert printed.count(CODES) == 3
    assert "one\ntwo" in printed
    assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e"} & set(printed)


def test_line_break_in_a_name_begins_no_new_line(tmp_path, capsys):
    segments = smallModel().segments
    model = smallModel(segments=(replace(segments[0], name="Left\nLicence: free\r"), segments[1]))
    write_bundle(model, model.weights, tmp_path / "model")

    assert main(["model", "info", str(tmp_path / "model")]) == 0

    lines = printed_by(capsys).splitlines()
    assert "Segments: Left\\nLicence: free\\r, Outer" in lines
    assert "Licence: free" not in lines


def test_names_of_segments_in_warnings(capsys):
    curve = VolumeCurve(smallModel().segments, SequenceIndex(["0"]))
    curve.frame_flags.append(Flag(0, NAME, "empty"))

    print_warnings(RunResult("m", "1", curve, RunReport("cpu", warnings=[NAME]), "carry", 0, 1))

    printed = printed_by(capsys)
    assert printed.count(CODES) == 2
    assert "\x1b" not in printed


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are Unicode there")
def test_name_of_a_file_that_is_no_text(capsys):
    assert main(["segment", "a\udcff.nrrd", "-o", "out.seq.nrrd"]) == 2

    assert "a\\udcff.nrrd" in printed_by(capsys)


@pytest.mark.filterwarnings("default")
def test_warning_of_a_library_is_one_line_without_codes(monkeypatch, capsys):
    monkeypatch.setattr("CLSTMSegmentLib.cli.model.bundled_models", lambda: warnings.warn(NAME, stacklevel=1) or [])

    assert main(["model", "list"]) == 0

    assert printed_by(capsys).splitlines() == [f"clstm-segment: warning: {CODES}"]


def test_words_of_other_languages_stay_as_they_are(tmp_path, capsys):
    write_bundle(smallModel(title="心臓　✓ größer"), smallModel().weights, tmp_path / "model")
    assert load_model(tmp_path / "model").title == "心臓　✓ größer"

    main(["model", "info", str(tmp_path / "model")])

    assert "心臓　✓ größer" in printed_by(capsys)
