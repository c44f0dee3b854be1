"""`clstm-segment demo` on a file of the user, and beside files of the user."""

import sys

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.pipeline.output_paths import RECORD


def test_demo_segments_a_file_of_the_user_and_names_its_results(phantom, tmp_path, capsys):
    source, out = tmp_path / "mine.nrrd", tmp_path / "demo"
    sitk.WriteImage(sitk.JoinSeries([frame.image for frame in phantom[0][:2]]), str(source))

    status = main(["demo", "--input", str(source), "--out", str(out)])

    assert status == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["mine-segmentation.seq.mrb", "mine-volumes.csv", "mine.png", "mine-report.json"]
    assert lines[0].startswith(f"{source}: 2 frames in ")
    assert lines[1:] == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, RECORD])
    assert main(["demo", "--input", str(source), "--out", str(out)]) == 0  # it replaces what it wrote

    (out / "mine-volumes.csv").write_text("corrected by hand", encoding="utf-8")

    assert main(["demo", "--input", str(source), "--out", str(out)]) == 2
    assert "mine-volumes.csv was changed after a demo wrote it" in capsys.readouterr().err
    assert (out / "mine-volumes.csv").read_text(encoding="utf-8") == "corrected by hand"


def test_results_of_files_with_dots_in_their_names_do_not_replace_each_other(phantom, tmp_path):
    for name in ("Doe.1.nrrd", "Doe.2.nrrd"):
        sitk.WriteImage(phantom[0][0].image, str(tmp_path / name))

        assert main(["demo", "--input", str(tmp_path / name), "--out", str(tmp_path / "out")]) == 0

    names = {path.name for path in (tmp_path / "out").glob("*.csv")}
    assert names == {"Doe.1-volumes.csv", "Doe.2-volumes.csv"}


OF_THE_USER = ["phantom.seq.nrrd", "phantom-segmentation.seq.mrb", "phantom-volumes.csv", "phantom.png"]


@pytest.mark.parametrize("name", [*OF_THE_USER, "phantom-report.json"])
def test_demo_does_not_replace_a_file_of_the_user(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(b"of the user")

    status = main(["demo", "--out", str(tmp_path)])

    assert status == 2
    assert f"{name} exists, and no demo wrote it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"of the user"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right that users of Windows do not have")
@pytest.mark.parametrize("name", [*OF_THE_USER, "phantom-report.json"])
def test_demo_writes_nothing_where_a_result_is_a_link_to_nothing(name, tmp_path, capsys):
    (tmp_path / name).symlink_to(tmp_path / "missing")

    status = main(["demo", "--out", str(tmp_path)])

    assert status == 2
    assert f"{name} is a link that leads to nothing" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]
