"""The picture of a run: what its curves are drawn over, and its size."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import SegmentedFrame, SequenceIndex
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.core.volume_curve import FrameVolumes, VolumeCurve
from CLSTMSegmentLib.report.preview import write_preview
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.legend import Legend


def preview_contents(values, spacing=(1.0, 1.0, 1.0), **index):
    """Return the curve and the examples of small frames with these index values."""
    image = sitk.GetImageFromArray(np.arange(512, dtype=np.int16).reshape(8, 8, 8))
    image.SetSpacing(spacing)
    curve = VolumeCurve((Segment("a", "A", (1.0, 0.0, 0.0)),), SequenceIndex(values, **index))
    for number, value in enumerate(values):
        curve.add(FrameVolumes(number, value, (1.0 + number,)))
    labels = sitk.Cast(image > 300, sitk.sitkUInt8)
    examples = [(image, SegmentedFrame(number, value, labels)) for number, value in enumerate(values)]
    return curve, examples


def preview(path, values, spacing=(1.0, 1.0, 1.0), **index):
    """Write the picture of small frames with these index values, and return its width and height in pixels."""
    write_preview(path, *preview_contents(values, spacing, **index), "Title")
    return sitk.ReadImage(str(path)).GetSize()


@pytest.mark.parametrize("spacing", [(1.0, 1e6, 1e7), (1e6, 1.0, 1e7), (1.0, 1.0, 1.0)])
def test_picture_has_a_size_that_a_screen_can_show_whatever_the_shape_of_the_voxels(spacing, tmp_path):
    assert max(preview(tmp_path / "p.png", ["0", "1"], spacing)) < 4000


@pytest.mark.parametrize("values", [["ED", "ES"], ["0", "nan"], ["0", "inf"]])
def test_index_values_that_are_no_numbers_are_drawn_by_frame(values, tmp_path):
    assert min(preview(tmp_path / "p.png", values, type="numeric")) > 100


def test_names_are_drawn_as_they_are_and_without_warnings(tmp_path, monkeypatch, recwarn):
    names = ["$\\foo$ a_b$", "_hidden", "\x1b[31mred", "a\nb", "心臓"]
    segments = tuple(Segment(str(n), name, (1.0, 0.0, 0.0)) for n, name in enumerate(names))
    _, examples = preview_contents(["0"])
    curve = VolumeCurve(segments, SequenceIndex(["0"], names[0], names[2]))
    curve.add(FrameVolumes(0, "0", (1.0,) * len(names)))
    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: figures.append(self) or save(self, *a, **k))

    write_preview(tmp_path / "p.png", curve, examples, names[0])

    assert [str(warning.message) for warning in recwarn] == []
    (legend,) = figures[0].findobj(Legend)
    shown = [text.get_text().strip() for text in legend.get_texts()]
    assert shown == ["$\\foo$ a_b$", "_hidden", "\\x1b[31mred", "a\\nb", "心臓"]


def test_style_of_the_user_does_not_change_the_picture(tmp_path):
    preview(tmp_path / "expected.png", ["0", "1"])

    with rc_context({"image.origin": "lower", "text.usetex": True, "savefig.facecolor": "red"}):
        preview(tmp_path / "found.png", ["0", "1"])

    assert (tmp_path / "found.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


@pytest.mark.parametrize("name", ["picture", "picture.of heart", "picture.png"])
def test_picture_is_a_png_file_of_exactly_the_name_that_was_given(name, tmp_path):
    write_preview(tmp_path / name, *preview_contents(["0", "1"]), "Title")

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
