"""The command line as it is typed: files in, files out, exit status, one line for what is wrong."""

import contextlib
import csv
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.model.rules import GeometryRule
from conftest import REPOSITORY, smallModel
from host import application
from vtk.util.numpy_support import vtk_to_numpy


@pytest.fixture(scope="module")
def expected(phantom):
    """The labels that the engine gives for the phantom with that model."""
    return [sitk.GetArrayFromImage(r.labels) for r in Segmenter(smallModel(), "cpu").segment(phantom[0])]


@pytest.fixture(scope="module")
def cine(tmp_path_factory, phantom):
    """The phantom as a .seq.nrrd."""
    path = tmp_path_factory.mktemp("cine ü") / "cine.seq.nrrd"
    index = SequenceIndex([f.index_value for f in phantom[0]], "time", "ms")
    write_sequence(path, index, [frame.image for frame in phantom[0]])
    return path


def segment(source, output, bundle, *options):
    return main(["segment", str(source), "-o", str(output), "--model", str(bundle), "--device", "cpu", *options])


def test_segmentation_sequence_file_opens_in_slicer(cine, bundle, phantom, expected, tmp_path):
    assert segment(cine, tmp_path / "out.seq.mrb", bundle) == 0
    sequenceNode, storageNode = slicer.vtkMRMLSequenceNode(), slicer.vtkMRMLSequenceStorageNode()
    scene = application.newScene()
    scene.AddNode(sequenceNode)
    scene.AddNode(storageNode)
    storageNode.SetFileName(str(tmp_path / "out.seq.mrb"))
    assert storageNode.ReadData(sequenceNode)
    assert [sequenceNode.GetNthIndexValue(n) for n in range(6)] == [f.index_value for f in phantom[0]]
    assert (sequenceNode.GetIndexName(), sequenceNode.GetIndexUnit()) == ("time", "ms")
    for number in range(6):
        node = sequenceNode.GetNthDataNode(number)
        assert list(node.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
        labelmap = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation("inner", labelmap)
        voxels = vtk_to_numpy(labelmap.GetPointData().GetScalars())
        assert (voxels > 0).sum() == (expected[number] == 1).sum()


def test_label_sequence_keeps_index_and_place(cine, bundle, phantom, expected, tmp_path):
    assert segment(cine, tmp_path / "out.seq.nrrd", bundle) == 0
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


def test_nifti_labels_have_time_as_their_fourth_axis(cine, bundle, expected, tmp_path):
    assert segment(cine, tmp_path / "out.nii.gz", bundle, "--frames", "0:6:2") == 0
    image = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), expected[::2])
    assert image.GetSpacing()[3] == pytest.approx(800 / 3, rel=1e-5)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".mha", ".nrrd"])
def test_4d_files_give_the_same_labels(bundle, phantom, expected, tmp_path, suffix):
    path = tmp_path / f"cine{suffix}"
    sitk.WriteImage(sitk.JoinSeries([f.image for f in phantom[0]], 0, 40), str(path))
    assert segment(path, tmp_path / "out.seq.nrrd", bundle) == 0
    found = read_sequence(tmp_path / "out.seq.nrrd")
    assert found.index.values == ["0", "40", "80", "120", "160", "200"]
    differing = np.mean([sitk.GetArrayViewFromImage(f.image) != e for f, e in zip(found, expected, strict=True)])
    assert differing < (1e-3 if "nii" in suffix else 1e-9)  # NIfTI keeps its geometry in single precision


def test_folder_of_files_is_read_in_natural_order(bundle, phantom, expected, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(phantom[0]):
        sitk.WriteImage(frame.image, str(folder / f"t{number + 7}.nrrd"))  # t7 ... t12
    assert segment(folder, tmp_path / "out.seq.nrrd", bundle) == 0
    for frame, labels in zip(read_sequence(tmp_path / "out.seq.nrrd"), expected, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(frame.image), labels)


def test_measurements_report_and_preview_tell_about_the_run(cine, bundle, phantom, tmp_path):
    files = {name: tmp_path / name for name in ("out.csv", "out.json", "out.png")}
    options = ["--measurements", "out.csv", "--report", "out.json", "--preview", "out.png"]
    options = [str(files.get(option, option)) for option in options]
    assert segment(cine, tmp_path / "out.seq.nrrd", bundle, "--frames", "1,4", "--tile", "8,32,32", *options) == 0
    with files["out.csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["frame", "time [ms]", "Inner [ml]", "Outer [ml]"]
    report = json.loads(files["out.json"].read_text(encoding="utf-8"))
    voxel_ml = np.prod(phantom[0][0].image.GetSpacing()) / 1000
    for row, number, reported in zip(rows[1:], (1, 4), report["volumes_ml"], strict=True):
        assert row[:2] == [str(number), phantom[0][number].index_value]
        assert (reported["frame"], reported["index_value"]) == (number, phantom[0][number].index_value)
        assert float(row[2]) == pytest.approx(reported["Inner"])
    assert report["frames"] == 2
    assert report["device"] == "cpu"
    assert report["precision"] == "float32"
    assert report["tile"] == [8, 32, 32]
    assert report["tiles_per_frame"] > 1
    assert set(report["seconds"]) == {"read", "preprocess", "network", "postprocess", "write"}
    assert report["peak_memory_mib"] > 50
    assert report["warnings"] == []
    assert sitk.ReadImage(str(files["out.png"])).GetSize()[0] > 600
    found = read_sequence(tmp_path / "out.seq.nrrd")
    for frame, reported in zip(found, report["volumes_ml"], strict=True):
        inner = (sitk.GetArrayViewFromImage(frame.image) == 1).sum()
        assert reported["Inner"] == pytest.approx(inner * voxel_ml, abs=1e-3)


def test_report_appears_last_so_that_where_it_is_the_rest_is_too(cine, bundle, tmp_path, monkeypatch):
    appeared, replace = [], Path.replace

    def recorded(path, target):
        appeared.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", recorded)
    options = ["--measurements", str(tmp_path / "out.csv"), "--report", str(tmp_path / "out.json"), "--frames", "0"]
    assert segment(cine, tmp_path / "out.seq.nrrd", bundle, *options) == 0
    assert appeared == ["out.seq.nrrd", "out.csv", "out.json"]


def test_what_deserves_a_look_is_told_at_the_end(bundle, phantom, tmp_path, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    for n in range(2):
        array = sitk.GetArrayFromImage(phantom[0][n].image).astype(np.float32)
        array[0, 0, n] = np.nan
        sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{n}.nrrd"))
    assert segment(folder, tmp_path / "out.seq.nrrd", bundle, "--report", str(tmp_path / "report.json")) == 0
    told = capsys.readouterr().err
    assert "warning: frame 1 (1): 1 voxels are not finite numbers" in told
    assert "to look at: frame 0: " in told
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {flag["frame"] for flag in report["flags"]} == {0, 1}


def test_region_in_ras_restricts_the_labels(cine, bundle, phantom, tmp_path):
    image = phantom[0][0].image
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    r, a, s = -middle[0], -middle[1], middle[2]
    box = [str(v) for v in (r - 40, r + 40, a - 45, a + 45, s - 50, s + 50)]
    assert segment(cine, tmp_path / "out.seq.nrrd", bundle, "--frames", "0", "--roi", *box) == 0
    labels = read_sequence(tmp_path / "out.seq.nrrd")[0].image
    inside = np.argwhere(sitk.GetArrayViewFromImage(labels) > 0)[:, ::-1].tolist()
    places = np.array([labels.TransformIndexToPhysicalPoint(index) for index in inside]) * (-1, -1, 1)
    assert len(places) > 100
    assert (np.abs(places - (r, a, s)) <= np.array([40, 45, 50]) + 1e-3).all()


def bad_inputs(folder):
    """Command lines that cannot work, with what they say."""
    image = sitk.Image((8, 8, 8), sitk.sitkInt16)
    sitk.WriteImage(image, str(folder / "single.nrrd"))
    sitk.WriteImage(sitk.Image((8, 8, 8), sitk.sitkVectorUInt8, 3), str(folder / "colour.mha"))
    (folder / "text.nrrd").write_text("no image", encoding="utf-8")
    (folder / "notes.txt").write_text("notes", encoding="utf-8")
    (folder / "empty").mkdir()
    broken = folder / "broken"
    shutil.copytree(folder.parent / "bundle", broken)
    weights = (broken / "weights.safetensors").read_bytes()
    (broken / "weights.safetensors").write_bytes(weights[: len(weights) // 2])
    torch.save({"a": torch.zeros(1)}, folder / "other.pth")
    return {
        "single": (["single.nrrd"], "single 3D image, not a sequence"),
        "colour": (["colour.mha"], "colour or vector image"),
        "text": (["text.nrrd"], "cannot be read as an image"),
        "suffix": (["notes.txt"], "unknown file type"),
        "empty": (["empty"], "holds no image files"),
        "missing": (["missing.seq.nrrd"], "no such file"),
        "weights": (["CINE", "--model", "broken"], "not the file model.json was written for"),
        "checkpoint": (["CINE", "--model", "other.pth"], "not a CLSTM-UNet4D"),
        "model": (["CINE", "--model", "nothing"], "no model 'nothing'"),
        "frames": (["CINE", "--frames", "3:99:x"], "--frames 3:99:x"),
        "outside": (["CINE", "--frames", "6"], "frames 0 to 5"),
        "roi": (["CINE", "--roi", "900", "950", "900", "950", "900", "950"], "outside the image"),
        "device": (["CINE", "--device", "cuda:99"], "cannot be used"),
        "time": (["CINE", "--time", "sometimes"], "unknown time rule"),
        "overlap": (["CINE", "--overlap", "1"], "overlap"),
        "output": (["CINE", "-o", "out.txt"], "give a name that ends in"),
        "place": (["CINE", "-o", "nowhere/out.seq.nrrd"], "cannot be written"),
        "csv": (["CINE", "--measurements", "single.nrrd/out.csv"], "cannot be written"),
    }


WRONG = """single colour text suffix empty missing weights checkpoint model frames outside roi device time
overlap output place csv"""


@pytest.mark.parametrize("case", WRONG.split())
def test_wrong_input_is_told_in_one_line_and_leaves_the_disk_as_it_was(
    case, cine, bundle, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copytree(bundle, tmp_path / "bundle")
    (arguments, message) = bad_inputs(folder)[case]
    (folder / "out.seq.nrrd").write_bytes(b"a result of before")
    monkeypatch.chdir(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    arguments = [str(cine) if argument == "CINE" else argument for argument in arguments]
    defaults = ["-o", "out.seq.nrrd", "--model", str(bundle), "--device", "cpu"]
    assert main(["segment", *defaults, *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("clstm-segment: error: ")
    assert message in lines[0]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_pickle_that_would_run_code_is_refused_unread(cine, tmp_path, monkeypatch, capsys):
    class Malicious:
        def __reduce__(self):
            import os

            return (os.mkdir, ("executed",))

    monkeypatch.chdir(tmp_path)
    torch.save({"a": Malicious()}, "bad.pth")
    assert segment(cine, "out.seq.nrrd", "bad.pth") == 2
    assert "could run code" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]


def test_frames_of_different_geometry_need_a_segmentation_sequence(bundle, phantom, tmp_path, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    sitk.WriteImage(phantom[0][0].image, str(folder / "0.nrrd"))
    sitk.WriteImage(phantom[0][1].image[:, :, 1:], str(folder / "1.nrrd"))
    assert segment(folder, tmp_path / "out.seq.nrrd", bundle) == 2
    assert "write a .seq.mrb instead" in capsys.readouterr().err.splitlines()[-1]
    assert segment(folder, tmp_path / "out.seq.mrb", bundle, "--preview", str(tmp_path / "out.png")) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "out.png", "out.seq.mrb"]


def test_run_that_fails_says_so_with_status_1_and_leaves_the_old_output(cine, bundle, tmp_path, monkeypatch, capsys):
    (tmp_path / "out.seq.nrrd").write_bytes(b"a result of before")

    def out_of_memory(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Segmenter, "_step", out_of_memory)
    assert segment(cine, tmp_path / "out.seq.nrrd", bundle) == 1
    assert "the run failed: out of memory" in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "out.seq.nrrd").read_bytes() == b"a result of before"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX only")
def test_progress_bar_on_a_terminal_tells_frame_tile_and_time_left(cine, bundle, tmp_path):
    import fcntl
    import pty
    import termios

    terminal, child_side = pty.openpty()
    fcntl.ioctl(child_side, termios.TIOCSWINSZ, struct.pack("4H", 25, 100, 0, 0))  # 25 lines of 100 columns
    command = [sys.executable, "-m", "CLSTMSegmentLib", "segment", cine, "-o", tmp_path / "out.seq.nrrd"]
    command += ["--model", bundle, "--device", "cpu"]
    shown = b""
    with subprocess.Popen(command, cwd=REPOSITORY / "CLSTMSegment", stderr=child_side):
        os.close(child_side)
        with contextlib.suppress(OSError):  # how a pseudo-terminal says that nobody writes to it any more
            while part := os.read(terminal, 10_000):
                shown += part
    os.close(terminal)
    shown = shown.decode("utf-8")
    assert "frame 1 of 6, tile 1 of 1" in shown
    assert re.search(r"frame 6 of 6, tile 1 of 1, \d+ s left", shown)


def test_peak_memory_of_80_frames_is_that_of_10(tmp_path):
    """Whole processes; the frames are files of a folder, read when they are needed."""
    model = smallModel(geometry=GeometryRule(), network=smallModel().network | {"width": 8})
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
