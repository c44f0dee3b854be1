"""Odd frames are segmented; frames and files that cannot be segmented are refused by name."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame, SequenceIndex
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import SequenceFrames, resolveInput
from conftest import smallModel
from scene.conftest import scene, sequenceNode  # noqa: F401


@pytest.fixture(scope="module")
def voxels():
    """The voxels of a small image."""
    return np.random.default_rng(5).integers(0, 200, (8, 40, 48)).astype(np.int16)


STRAIGHT = np.eye(3)


def image(array, spacing=(3.0, 3.0, 8.0), direction=STRAIGHT):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    made.SetDirection(np.ravel(direction).tolist())
    return made


def segment(*images):
    """Return the labels of a sequence of images."""
    frames = [Frame(one, str(n)) for n, one in enumerate(images)]
    return [frame.labels for frame in Segmenter(smallModel(), RunSettings(device="cpu")).segment(frames)]


SHEARED = [[1, 0.3, 0], [0, 1, 0], [0, 0, 1]]
LEFT_HANDED = np.diag([1, 1, -1])
ODD = {
    "infinite values": lambda v: [image(np.where(v > 190, np.inf, v.astype(np.float32)))],
    "constant": lambda v: [image(np.full_like(v, 7))],
    "one voxel": lambda v: [image(v[:1, :1, :1])],
    "one slice": lambda v: [image(v[:1])] * 2,
    "one column": lambda v: [image(v[:, :, :1])] * 2,
    "left-handed": lambda v: [image(v, direction=LEFT_HANDED)],
    "size that changes": lambda v: [image(v), image(v[:, :30, :20])],
    "type that changes": lambda v: [image(v), image(v.astype(np.float64)), image(v.astype(np.uint8))],
    "64-bit integers": lambda v: [image(v.astype(np.uint64) * 2**50)],
    "values near the end of double precision": lambda v: [image(v * 1e300)],
    "both ends of single precision": lambda v: [image(np.where(v > 100, np.float32(3e38), np.float32(-3e38)))],
}


@pytest.mark.parametrize("oddity", ODD)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_odd_frame_is_segmented_on_its_own_voxels(oddity, voxels):
    images = ODD[oddity](voxels)

    results = segment(*images)

    for given, labels in zip(images, results, strict=True):
        for geometry in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(labels, geometry)() == getattr(given, geometry)()


@pytest.mark.parametrize(("shift_mm", "told"), [(0.0012, False), (0.02, True)])
def test_frames_that_lie_apart_by_rounding_share_the_recurrent_state(voxels, shift_mm, told):
    images = [image(voxels), image(voxels)]
    images[0].SetOrigin((0.0, 7.0004, 0.0))
    images[1].SetOrigin((0.0, 7.0004, shift_mm))
    segmenter = Segmenter(smallModel(), RunSettings(device="cpu"))

    results = list(segmenter.segment([Frame(one, str(n)) for n, one in enumerate(images)]))

    assert any("differs in geometry" in text for text in segmenter.report.warnings) == told
    assert [frame.labels.GetOrigin() for frame in results] == [one.GetOrigin() for one in images]


@pytest.mark.parametrize(("scale", "offset"), [(1e300, 0), (1e-30, 0), (1.0, -1e6)])
def test_scale_and_offset_of_the_values_do_not_change_the_labels(voxels, scale, offset):
    (expected,), (found,) = segment(image(voxels)), segment(image(voxels * scale + offset))

    assert (sitk.GetArrayFromImage(found) != sitk.GetArrayFromImage(expected)).mean() < 1e-3


BROKEN = {
    "complex numbers": (lambda v: image(v.astype(np.complex64)), "holds complex numbers"),
    "sheared axes": (lambda v: image(v, direction=SHEARED), "is sheared: .* resample it to a straight grid"),
    "spacing not in mm": (lambda v: image(v, spacing=(3000.0, 3000.0, 8000.0)), "is its spacing given in mm"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_frame_is_refused_by_name(fault, voxels):
    broken, message = BROKEN[fault]

    with pytest.raises(InputError, match=message) as caught:
        segment(image(voxels), broken(voxels))

    assert "frame 1 (1)" in str(caught.value)


@pytest.mark.parametrize("spacing", [(0.0, 3.0, 8.0), (-3.0, 3.0, 8.0)])
def test_spacing_that_is_no_length_is_refused_by_frame(spacing, scene, sequenceNode):  # noqa: F811
    sequenceNode.GetNthDataNode(2).SetSpacing(*spacing)
    before = scene.GetNumberOfNodes()

    with pytest.raises(InputError, match=r"frame 2 \("):
        list(Segmenter(smallModel(), RunSettings(device="cpu")).segment(SequenceFrames(sequenceNode)))

    assert scene.GetNumberOfNodes() == before


def test_frame_without_image_data_is_refused_by_name(sequenceNode):  # noqa: F811
    sequenceNode.GetNthDataNode(4).SetAndObserveImageData(None)

    with pytest.raises(InputError, match=r"frame 4 \(.*has no image data"):
        resolveInput(sequenceNode)


def test_text_index_values_stay_verbatim_and_equal_numbers_stay_apart(scene, bundle, phantom):  # noqa: F811
    import CLSTMSegment

    values = ["end diastole", "1.0", "1.00", "ä, ö=%20", "5e0", " "]
    textSequenceNode = slicer.vtkMRMLSequenceNode()
    textSequenceNode.SetIndexType(slicer.vtkMRMLSequenceNode.TextIndex)
    scene.AddNode(textSequenceNode)
    for frame, value in zip(phantom[0], values, strict=True):
        textSequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), value)

    outputNode = CLSTMSegment.CLSTMSegmentLogic().segment(textSequenceNode, model=str(bundle), device="cpu")

    assert [outputNode.GetNthIndexValue(n) for n in range(outputNode.GetNumberOfDataNodes())] == values


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        (["ED", "a", "b", "ES", "c", "d"], "the index values, such as 'ED', are no numbers"),
        (["0%", "15%", "30%", "45%", "60%", "75%"], "the index values, such as '0%', are no numbers"),
        (["2", "2.0", "2.00", "3", "4", "5"], "some index values are equal numbers"),
    ],
)
def test_frames_that_are_one_by_their_numbers_stay_apart(values, warning, scene, bundle, phantom):  # noqa: F811
    import CLSTMSegment

    phases = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Phases")
    phases.SetIndexTypeFromString("text")
    for frame, value in zip(phantom[0], values, strict=True):
        phases.SetDataNodeAtValue(volumeFromImage(frame.image), value)
    phases.SetIndexTypeFromString("numeric")  # the default of Slicer, also for values that are no numbers
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browserNode.SetAndObserveMasterSequenceNodeID(phases.GetID())

    logic = CLSTMSegment.CLSTMSegmentLogic()
    outputNode = logic.segment(phases, model=str(bundle), device="cpu")

    assert [outputNode.GetNthIndexValue(n) for n in range(outputNode.GetNumberOfDataNodes())] == values
    assert logic.volumesTableNode.GetNumberOfRows() == len(values)
    assert any(warning in text for text in logic.report.warnings)
    names = []
    for item in range(len(values)):
        browserNode.SetSelectedItemNumber(item)
        slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
        names.append(browserNode.GetProxyNode(outputNode).GetSegmentation().GetNumberOfSegments())
    assert names == [2] * len(values)


NRRD = "NRRD0004\ntype: short\ndimension: 4\nsizes: {sizes}\nkinds: domain domain domain list\nencoding: raw\n\n"


@pytest.mark.parametrize(
    "content",
    [
        NRRD.format(sizes="2000 2000 1250 1").encode() + b"\0" * 100,
        NRRD.format(sizes="100000 100000 100000 100000").encode() + b"\0" * 100,
        NRRD.format(sizes="-1 4 4 2").encode() + b"\0" * 64,
        NRRD.format(sizes="0 4 4 2").encode(),
        b"NRRD0004\n",
        b"",
        b"\x1f\x8b" + b"\0" * 100,
    ],
    ids=["10 GB header", "endless header", "negative size", "no voxels", "header truncated", "empty", "not an image"],
)
def test_file_whose_header_does_not_fit_its_content_is_refused(content, tmp_path, capsys):
    path = tmp_path / "bad.seq.nrrd"
    path.write_bytes(content)

    status = main(["segment", str(path), "-o", str(tmp_path / "out.seq.nrrd"), "--quiet"])

    with pytest.raises(InputError, match=r"bad\.seq\.nrrd"):
        read_sequence(path)
    assert status == 2
    said = capsys.readouterr().err
    assert "cannot be read as an image" in said or "is truncated" in said
    assert [path.name for path in tmp_path.iterdir()] == ["bad.seq.nrrd"]


def test_index_name_with_line_breaks_cannot_add_lines_to_a_header(tmp_path):
    like = sitk.Image((4, 4, 4), sitk.sitkUInt8)
    index = SequenceIndex(["a b", "c\nd"], 'time"\ndata file: /etc/passwd', "ms\n", "text")

    write_sequence(tmp_path / "x.seq.nrrd", index, [like, like])

    assert b"\ndata file" not in (tmp_path / "x.seq.nrrd").read_bytes()
    assert read_sequence(tmp_path / "x.seq.nrrd").index.values == index.values
