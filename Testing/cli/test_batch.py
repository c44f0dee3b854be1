"""`clstm-segment batch` as it is typed: options of a run, exit status, and what it prints."""

import json

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main


@pytest.fixture
def cohort(phantom, tmp_path):
    """A folder with one sequence of three frames."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    frames = [frame.image for frame in phantom[0][:3]]
    sitk.WriteImage(sitk.JoinSeries(frames), str(folder / "heart.nrrd"))
    return folder


@pytest.fixture
def batch(cohort, bundle, tmp_path):
    """Runs the command on the folder, with the small model."""

    def run(*options):
        out = str(tmp_path / "out")
        return main(
            ["batch", str(cohort), "--out", out, "--model", str(bundle), "--device", "cpu", "--quiet", *options]
        )

    return run


@pytest.mark.parametrize("state", [("--state", "--warm-up"), ("--time", "--prime")], ids=["present", "former"])
def test_batch_takes_every_option_of_a_run(state, batch, tmp_path, capsys):
    options = [
        "--frames",
        "0:2",
        "--roi",
        *["-40", "40", "-40", "40", "-40", "40"],
        "--tile",
        "8,32,32",
        "--overlap",
        "0.5",
    ]
    options += ["--ram", "4", state[0], "window:2", state[1], "1", "--precision", "float32"]

    status = batch(*options)

    assert status == 0, capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "heart.json").read_text(encoding="utf-8"))
    assert report["frames"] == 2
    assert report["tile"] == [8, 32, 32]
    assert report["state_rule"] == {"rule": "window:2", "warm_up_frames": 1}
    assert "1 of 1 sequences, see summary.csv and overview.png" in capsys.readouterr().out


def test_partly_failed_cohort_says_so_with_status_1(batch, cohort, tmp_path, capsys):
    (cohort / "broken.nrrd").write_bytes(b"no image")

    status = batch()

    assert status == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("clstm-segment: error: 1 of 2 sequences failed: broken; ")
    assert (tmp_path / "out" / "heart.seq.nrrd").exists()


def test_warnings_of_each_sequence_are_printed_and_in_the_summary(batch, cohort, tmp_path, capsys):
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 16 16 8\nencoding: raw\n\n"
    (cohort / "heart.nrrd").write_bytes(header + bytes(range(256)) * 8)

    assert batch() == 0

    printed, expected = capsys.readouterr().out, "heart.nrrd: its header gives voxels no size"
    assert f"heart: warning: {expected}" in printed
    assert expected in (tmp_path / "out" / "summary.csv").read_text(encoding="utf-8")


def test_results_that_are_there_need_resume(batch, tmp_path, capsys):
    assert batch() == 0

    status = batch()

    assert status == 2
    assert "give --resume" in capsys.readouterr().err
    assert batch("--resume") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "the number of workers must be at least 1, not 0"),
        (["--frames", "x"], "frames x: give a slice"),
        (["--tile", "8"], "'8' is not D,H,W"),
        (["--model", "nothing"], "no model 'nothing'"),
    ],
)
def test_wrong_option_is_refused_before_anything_is_written(options, message, batch, tmp_path, capsys):
    status = batch(*options)

    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
