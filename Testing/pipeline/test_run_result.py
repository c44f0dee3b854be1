"""The result of a run survives its report file."""

import json
from dataclasses import replace

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.volume_curve import Flag, FrameVolumes, VolumeCurve
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.pipeline.run_result import RunResult
from conftest import smallModel

SEGMENTS = smallModel().segments


@pytest.fixture
def result():
    """A run over two frames of three, with a frame that shows a flag, and a volume that jumps."""
    curve = VolumeCurve(SEGMENTS, SequenceIndex(["0", "40.5", "81"], "time", "ms"))
    curve.add(FrameVolumes(1, "40.5", (10.0, 20.0)))
    curve.add(FrameVolumes(2, "81", (20.125, 20.0)), [Flag(2, "Outer", "touches the border of the image")])
    report = RunReport("cpu", tile=(8, 32, 32), tiles_per_frame=4, warnings=["frame 1 is unlike the others"])
    report.seconds["network"] = 1.25
    return RunResult("small", "1", curve, report, "window:5", 3, 512)


def test_result_survives_json(result):
    assert RunResult.from_json(result.to_json(), SEGMENTS) == result


def test_flags_are_read_as_they_were_told(result):
    signs = [str(flag) for flag in RunResult.from_json(result.to_json(), SEGMENTS).curve.flags]

    assert len(signs) == 2
    assert "frame 2: Outer: touches the border of the image" in signs
    assert "frame 2: Inner: volume jumps by 67 % of its mean" in signs


def test_codes_for_a_terminal_are_codes_in_the_file_too_and_words_stay(result):
    warnings = ["\x1b[2J \x9b31m \u202e \udcff", "心臓 größer"]
    text = replace(result, report=replace(result.report, warnings=warnings)).to_json()

    assert all(sign == "\n" or sign.isprintable() for sign in text)
    assert "心臓 größer" in text
    assert RunResult.from_json(text, SEGMENTS).report.warnings == warnings


def test_seconds_are_those_of_all_stages(result):
    assert result.seconds == pytest.approx(1.25)


def test_state_rule_has_its_present_name(result):
    content = json.loads(result.to_json())

    assert content["state_rule"] == {"rule": "window:5", "warm_up_frames": 3}
    assert "time_rule" not in content


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": 1}'])
def test_text_that_is_no_result_is_refused(text):
    with pytest.raises(InputError, match="not the report of a run"):
        RunResult.from_json(text, SEGMENTS)


@pytest.mark.parametrize(
    ("value", "damaged"),
    [("10.0", '"ten"'), ("1.25", '"long"'), ('"frame": 1', '"frame": "one"'), ('"flags": [', '"flags": [5, ')],
)
def test_result_with_damaged_values_is_refused(value, damaged, result):
    text = result.to_json()
    assert value in text

    with pytest.raises(InputError, match="not the report of a run"):
        RunResult.from_json(text.replace(value, damaged, 1), SEGMENTS)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_truncated_result_is_refused(part, result):
    text = result.to_json()

    with pytest.raises(InputError, match="not the report of a run"):
        RunResult.from_json(text[: int(part * len(text))], SEGMENTS)


def test_result_of_another_model_is_refused(result):
    text = result.to_json().replace('"Inner"', '"Lumen"')

    with pytest.raises(InputError, match="with these segments"):
        RunResult.from_json(text, SEGMENTS)
