"""`clstm-segment demo` on a file of the user."""

import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main


def test_demo_segments_a_file_of_the_user_and_names_its_results(phantom, tmp_path, capsys):
    source, out = tmp_path / "mine.nrrd", tmp_path / "demo"
    sitk.WriteImage(sitk.JoinSeries([frame.image for frame in phantom[0][:2]]), str(source))

    status = main(["demo", "--input", str(source), "--out", str(out)])

    assert status == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["mine-segmentation.seq.mrb", "mine-volumes.csv", "mine.png", "mine-report.json"]
    assert lines[0].startswith(f"{source}: 2 frames in ")
    assert lines[1:] == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
