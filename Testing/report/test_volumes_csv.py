"""Volumes over time as CSV."""

from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.core.volume_curve import FrameVolumes, VolumeCurve
from CLSTMSegmentLib.report.volumes_csv import write_volumes


def test_every_frame_is_a_row_with_its_index_value_verbatim(tmp_path):
    curve = VolumeCurve((Segment("a", "Atrium, left", PALETTE[0]),), SequenceIndex(["0.0", "37.50"], "time", "ms"))
    curve.add(FrameVolumes(1, "37.50", (12.34567,)))

    write_volumes(tmp_path / "volumes.csv", curve)

    content = (tmp_path / "volumes.csv").read_text(encoding="utf-8")
    assert content == 'frame,time [ms],"Atrium, left [ml]"\n1,37.50,12.346\n'


def test_columns_of_a_sequence_without_an_index_name_have_different_titles(tmp_path):
    curve = VolumeCurve((Segment("a", "Atrium", PALETTE[0]),), SequenceIndex(["0"], "", ""))
    curve.add(FrameVolumes(0, "0", (1.0,)))

    write_volumes(tmp_path / "volumes.csv", curve)

    assert (tmp_path / "volumes.csv").read_text(encoding="utf-8").startswith("frame,index value,Atrium [ml]\n")


def test_volumes_of_tiny_structures_keep_their_digits(tmp_path):
    curve = VolumeCurve((Segment("a", "Heart", PALETTE[0]),), SequenceIndex(["0", "1", "2"], "time", "s"))
    for number, ml in enumerate((1.23456e-6, 0.0, 0.0123456)):
        curve.add(FrameVolumes(number, str(number), (ml,)))

    write_volumes(tmp_path / "volumes.csv", curve)

    rows = (tmp_path / "volumes.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert rows == ["0,0,1.235e-06", "1,1,0.000", "2,2,0.01235"]
