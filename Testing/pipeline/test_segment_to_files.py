"""One run to files: what every output and format holds, and what is refused before the run."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import torch
from CLSTMSegmentLib.core.devices import choose_precision, precision_name
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SegmentedFrame, SequenceIndex
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.pipeline.result_files import Outputs
from CLSTMSegmentLib.pipeline.run_result import RunResult
from CLSTMSegmentLib.pipeline.segment_to_files import segment_to_files
from conftest import REPOSITORY, smallModel
from host import application
from vtk.util.numpy_support import vtk_to_numpy


@pytest.fixture(scope="module")
def expected(phantom):
    """The labels that the engine gives for the phantom with the small model."""
    segmenter = Segmenter(smallModel(), RunSettings(device="cpu"))
    return [sitk.GetArrayFromImage(frame.labels) for frame in segmenter.segment(phantom[0])]


def test_segmentation_sequence_file_opens_in_slicer(cine, settings, phantom, expected, tmp_path):
    segment_to_files(settings, cine, Outputs(tmp_path / "out.seq.mrb"))

    scene = application.newScene()
    sequenceNode, storageNode = slicer.vtkMRMLSequenceNode(), slicer.vtkMRMLSequenceStorageNode()
    scene.AddNode(sequenceNode)
    scene.AddNode(storageNode)
    storageNode.SetFileName(str(tmp_path / "out.seq.mrb"))
    assert storageNode.ReadData(sequenceNode)
    assert [sequenceNode.GetNthIndexValue(n) for n in range(6)] == [f.index_value for f in phantom[0]]
    assert (sequenceNode.GetIndexName(), sequenceNode.GetIndexUnit()) == ("time", "ms")
    for number in range(6):
        segmentationNode = sequenceNode.GetNthDataNode(number)
        assert list(segmentationNode.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
        labelmap = slicer.vtkOrientedImageData()
        segmentationNode.GetBinaryLabelmapRepresentation("inner", labelmap)
        voxels = vtk_to_numpy(labelmap.GetPointData().GetScalars())
        assert (voxels > 0).sum() == (expected[number] == 1).sum()


@pytest.mark.parametrize(
    ("values", "expected", "warning"),
    [
        (["1", "1.0"], ["1", "1.0"], "equal numbers"),
        (["35", "35"], ["35", "35 (2)"], "1 frames have the same index value as a frame before them"),
        (["20 %", "20 %"], ["20 %", "20 % (2)"], "1 frames have the same index value as a frame before them"),
        (["5ms", "45ms"], ["5ms", "45ms"], "are no numbers"),
    ],
)
def test_no_frame_is_lost_in_a_file_of_slicer(values, expected, warning, settings, phantom, tmp_path):
    images = [frame.image for frame in phantom[0][:2]]
    write_sequence(tmp_path / "cine.seq.nrrd", SequenceIndex(values), images)

    result = segment_to_files(settings, tmp_path / "cine.seq.nrrd", Outputs(tmp_path / "out.seq.mrb"))

    sequenceNode, storageNode = slicer.vtkMRMLSequenceNode(), slicer.vtkMRMLSequenceStorageNode()
    scene = application.newScene()
    scene.AddNode(sequenceNode)
    scene.AddNode(storageNode)
    storageNode.SetFileName(str(tmp_path / "out.seq.mrb"))
    assert storageNode.ReadData(sequenceNode)
    assert [sequenceNode.GetNthIndexValue(n) for n in range(sequenceNode.GetNumberOfDataNodes())] == expected
    assert any(warning in text for text in result.report.warnings)


def test_label_sequence_keeps_index_and_geometry(cine, settings, phantom, expected, tmp_path):
    segment_to_files(settings, cine, Outputs(tmp_path / "out.seq.nrrd"))

    found = read_sequence(tmp_path / "out.seq.nrrd")
    assert found.index == read_sequence(cine).index
    for frame, labels, given in zip(found, expected, phantom[0], strict=True):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(frame.image), labels)
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(frame.image, geometry)(), getattr(given.image, geometry)(), atol=1e-9)
    sequenceNode, storageNode = slicer.vtkMRMLSequenceNode(), slicer.vtkMRMLVolumeSequenceStorageNode()
    storageNode.SetFileName(str(tmp_path / "out.seq.nrrd"))
    assert storageNode.ReadData(sequenceNode)
    assert [sequenceNode.GetNthIndexValue(n) for n in range(6)] == [f.index_value for f in phantom[0]]
    assert sequenceNode.GetIndexUnit() == "ms"


def test_nifti_labels_have_time_as_their_fourth_axis(cine, settings, expected, tmp_path):
    segment_to_files(replace(settings, frames="0:6:2"), cine, Outputs(tmp_path / "out.nii.gz"))

    image = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), expected[::2])
    assert image.GetSpacing()[3] == pytest.approx(0.8 / 3, rel=1e-5), "SimpleITK gives seconds"
    assert read_sequence(tmp_path / "out.nii.gz").index.unit == "ms"


def test_index_values_that_nifti_cannot_store_are_told(cine, settings, tmp_path):
    result = segment_to_files(replace(settings, frames="0,1,4"), cine, Outputs(tmp_path / "Out.NII.GZ"))

    assert any("Out.NII.GZ: NIfTI stores only a regular step in s, ms or µs" in text for text in result.report.warnings)
    assert len(read_sequence(tmp_path / "Out.NII.GZ")) == 3


@pytest.mark.parametrize("name", ["out.nii.gz", "out.seq.nrrd"])
def test_frames_that_one_file_cannot_hold_are_refused_before_any_is_segmented(name, settings, phantom, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(phantom[0][:3]):
        image = sitk.Image(frame.image)
        image.SetOrigin(np.add(image.GetOrigin(), (0, 0, 4.0 * (number == 2))).tolist())
        sitk.WriteImage(image, str(folder / f"{number}.nii.gz"))
    steps = []

    with pytest.raises(InputError, match=rf"{name}: frame 2 differs in geometry from the first one"):
        segment_to_files(settings, folder, Outputs(tmp_path / name), progress=steps.append)

    assert steps == []
    segment_to_files(replace(settings, frames="0:2"), folder, Outputs(tmp_path / name))
    assert len(read_sequence(tmp_path / name)) == 2


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".mha", ".nrrd"])
def test_4d_files_give_the_same_labels(settings, phantom, expected, tmp_path, suffix):
    path = tmp_path / f"cine{suffix}"
    sitk.WriteImage(sitk.JoinSeries([f.image for f in phantom[0]], 0, 40), str(path))

    segment_to_files(settings, path, Outputs(tmp_path / "out.seq.nrrd"))

    found = read_sequence(tmp_path / "out.seq.nrrd")
    assert found.index.values == ["0", "40", "80", "120", "160", "200"]
    differing = np.mean([sitk.GetArrayViewFromImage(f.image) != e for f, e in zip(found, expected, strict=True)])
    assert differing < (1e-3 if "nii" in suffix else 1e-9)  # NIfTI keeps its geometry in single precision


def test_folder_of_files_is_read_in_natural_order(settings, phantom, expected, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(phantom[0]):
        sitk.WriteImage(frame.image, str(folder / f"t{number + 7}.nrrd"))  # t7 ... t12

    segment_to_files(settings, folder, Outputs(tmp_path / "out.seq.nrrd"))

    for frame, labels in zip(read_sequence(tmp_path / "out.seq.nrrd"), expected, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(frame.image), labels)


def test_volumes_report_and_preview_describe_the_run(cine, settings, phantom, tmp_path):
    settings = replace(settings, frames="1,4", tile=(8, 32, 32))
    outputs = Outputs(
        tmp_path / "out.seq.nrrd",
        volumes=tmp_path / "out.csv",
        preview=tmp_path / "out.png",
        report=tmp_path / "out.json",
    )

    segment_to_files(settings, cine, outputs)

    with outputs.volumes.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["frame", "time [ms]", "Inner [ml]", "Outer [ml]"]
    report = json.loads(outputs.report.read_text(encoding="utf-8"))
    voxel_ml = np.prod(phantom[0][0].image.GetSpacing()) / 1000
    for row, number, reported in zip(rows[1:], (1, 4), report["volumes_ml"], strict=True):
        assert row[:2] == [str(number), phantom[0][number].index_value]
        assert (reported["frame"], reported["index_value"]) == (number, phantom[0][number].index_value)
        assert float(row[2]) == pytest.approx(reported["Inner"])
    assert report["frames"] == 2
    assert report["device"] == "cpu"
    assert report["precision"] == precision_name(choose_precision("auto", torch.device("cpu")))
    assert report["tile"] == [8, 32, 32]
    assert report["tiles_per_frame"] > 1
    assert report["state_rule"] == {"rule": "carry", "warm_up_frames": 0}
    assert set(report["seconds"]) == {"read", "locate", "preprocess", "network", "postprocess", "write"}
    assert report["peak_memory_mib"] > 50
    assert [warning for warning in report["warnings"] if "tiles" not in warning] == []
    assert sitk.ReadImage(str(outputs.preview)).GetSize()[0] > 600
    for frame, reported in zip(read_sequence(outputs.labels), report["volumes_ml"], strict=True):
        inner = (sitk.GetArrayViewFromImage(frame.image) == 1).sum()
        assert reported["Inner"] == pytest.approx(inner * voxel_ml, abs=1e-3)


def test_result_is_what_the_report_stores(cine, settings, tmp_path):
    outputs = Outputs(tmp_path / "out.seq.nrrd", report=tmp_path / "out.json")

    result = segment_to_files(settings, cine, outputs)

    assert outputs.report.read_text(encoding="utf-8") == result.to_json()
    read = RunResult.from_json(result.to_json(), smallModel().segments)
    assert read.curve.numbers == result.curve.numbers == list(range(6))
    assert read.curve.flags == result.curve.flags


def test_progress_and_every_finished_frame_are_told(cine, settings, tmp_path):
    progress, frames = [], []

    segment_to_files(
        replace(settings, frames="0:4"), cine, Outputs(tmp_path / "o.seq.nrrd"), progress.append, on_frame=frames.append
    )

    assert [(one.frame, one.frames, one.tile, one.tiles) for one in progress] == [(n, 4, 1, 1) for n in (1, 2, 3, 4)]
    assert all(isinstance(frame, SegmentedFrame) for frame in frames)
    assert [frame.number for frame in frames] == [0, 1, 2, 3]


def test_preview_without_matplotlib_says_what_to_install(cine, settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("preview", "outlines", "figure_text"):
        monkeypatch.delitem(sys.modules, f"CLSTMSegmentLib.report.{name}", raising=False)

    with pytest.raises(InputError, match="pip install matplotlib"):
        segment_to_files(settings, cine, Outputs(tmp_path / "out.seq.nrrd", preview=tmp_path / "out.png"))

    assert not list(tmp_path.iterdir())


def test_frames_of_different_geometry_need_a_segmentation_sequence(settings, phantom, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    sitk.WriteImage(phantom[0][0].image, str(folder / "0.nrrd"))
    sitk.WriteImage(phantom[0][1].image[:, :, 1:], str(folder / "1.nrrd"))

    for name in ("out.seq.nrrd", "out.nii.gz"):
        with pytest.raises(InputError, match=r"write a \.seq\.mrb instead"):
            segment_to_files(settings, folder, Outputs(tmp_path / name))
    segment_to_files(settings, folder, Outputs(tmp_path / "out.seq.mrb", preview=tmp_path / "out.png"))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "out.png", "out.seq.mrb"]


@pytest.mark.parametrize(
    "change",
    [{"name": "R&R"}, {"unit": "<s>"}, *({"values": ["rest", f"a{c}b", "c"]} for c in '<&";\n\x01')],
)
def test_index_that_slicer_could_not_read_from_a_segmentation_sequence_is_refused(change, settings, phantom, tmp_path):
    index = SequenceIndex(**{"values": ["a", "b", "c"], "name": "state", "unit": "", "type": "text"} | change)
    folder, images = tmp_path / "frames", [frame.image for frame in phantom[0][:3]]
    folder.mkdir()
    write_sequence(folder / "in.seq.nrrd", index, images)

    with pytest.raises(InputError, match=r"Slicer cannot read the index .* write \.seq\.nrrd"):
        segment_to_files(settings, folder / "in.seq.nrrd", Outputs(tmp_path / "out.seq.mrb"))

    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


@pytest.mark.slow
def test_peak_memory_of_80_frames_is_that_of_10(tmp_path):
    """Whole processes; the frames are files of a folder, read when they are needed."""
    model = smallModel(geometry=GeometryRule(), network=replace(smallModel().network, width=8))
    write_bundle(model, model.weights, tmp_path / "model")
    rng = np.random.default_rng(0)
    for number in range(80):
        for count in (10, 80):
            if number < count:
                (tmp_path / str(count)).mkdir(exist_ok=True)
                image = sitk.GetImageFromArray(rng.integers(0, 500, (16, 64, 64)).astype(np.int16))
                sitk.WriteImage(image, str(tmp_path / str(count) / f"{number}.mha"))

    peaks = {}
    for count in (10, 80):
        report = tmp_path / f"{count}.json"
        command = [sys.executable, "-m", "CLSTMSegmentLib", "segment", tmp_path / str(count), "--device", "cpu"]
        command += ["-o", tmp_path / f"{count}.seq.nrrd", "--model", tmp_path / "model", "--report", report]
        subprocess.run(command, cwd=REPOSITORY / "CLSTMSegment", capture_output=True, check=True)
        peaks[count] = json.loads(report.read_text(encoding="utf-8"))["peak_memory_mib"]

    print(f"peak memory: {peaks} MiB by frames")
    assert peaks[80] <= 1.05 * peaks[10]
