"""Each output format through the readers of others: nibabel, the MRML of Slicer and pydicom find what was segmented."""

from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.sequence import Frame, SequenceIndex
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.pipeline.result_files import Outputs
from CLSTMSegmentLib.pipeline.segment_to_files import segment_to_files
from conftest import smallModel
from dicom_files import write_series
from host import application
from scene.segmentations import positionsOfLabel, positionsOfSegment, samePositions

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
FLIPS = [(False, False, False), (True, False, False), (False, True, True)]


@pytest.fixture(scope="module", params=FLIPS, ids=["straight", "left-handed", "turned"])
def frames(request, phantom):
    """Three oblique frames, 37.5 ms apart from 12.5 ms on; their voxels count along or against the axes of before."""
    images = [sitk.Flip(frame.image, request.param) for frame in phantom[0][::2]]
    cut = [image[3:, :-5, :] for image in images]  # other numbers of columns and rows
    return [Frame(image, f"{12.5 + 37.5 * t:g}") for t, image in enumerate(cut)]


@pytest.fixture(scope="module")
def labels(frames):
    """The labels that the engine gives for these frames."""
    found = [frame.labels for frame in Segmenter(smallModel(), RunSettings(device="cpu")).segment(frames)]
    assert all((sitk.GetArrayViewFromImage(image) == value).any() for image in found for value in (1, 2))
    return found


@pytest.fixture
def written(frames, settings, tmp_path):
    """Return a function that segments the frames into a file of this name."""

    def write(name, unit="ms"):
        index = SequenceIndex([frame.index_value for frame in frames], "time", unit)
        write_sequence(tmp_path / "cine.seq.nrrd", index, [frame.image for frame in frames])
        segment_to_files(settings, tmp_path / "cine.seq.nrrd", Outputs(tmp_path / name))
        return tmp_path / name

    return write


def lps_affine(image):
    """Return the 4 x 4 matrix from the indices of the voxels of an image to LPS."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def voxels_of(image):
    """Return the voxels of an image as (i, j, k), as nibabel and ITK count them."""
    return sitk.GetArrayFromImage(image).T


@pytest.mark.parametrize(("unit", "nifti_unit"), [("ms", "msec"), ("s", "sec"), ("us", "usec")])
def test_nibabel_reads_place_times_and_labels(unit, nifti_unit, written, frames, labels):
    image = nibabel.load(written("labels.nii.gz", unit))

    for affine, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        assert code > 0
        np.testing.assert_allclose(affine, RAS @ lps_affine(frames[0].image), atol=1e-4)
    assert image.header.get_xyzt_units() == ("mm", nifti_unit)
    assert image.header.get_zooms()[3] == pytest.approx(37.5)
    assert float(image.header["toffset"]) == pytest.approx(12.5)
    assert image.get_data_dtype() == np.uint8
    assert image.header.get_slope_inter() in ((None, None), (1.0, 0.0))
    for t, truth in enumerate(labels):
        np.testing.assert_array_equal(np.asarray(image.dataobj[..., t]), voxels_of(truth))


def test_slicer_reads_place_times_and_labels_of_a_volume_sequence(written, frames, labels):
    scene = application.newScene()
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    storageNode = scene.AddNewNodeByClass("vtkMRMLVolumeSequenceStorageNode")
    storageNode.SetFileName(str(written("labels.seq.nrrd")))
    assert storageNode.ReadData(sequenceNode)

    check_index(sequenceNode, frames)
    for t, truth in enumerate(labels):
        volumeNode = sequenceNode.GetNthDataNode(t)
        assert slicer.util.arrayFromVolume(volumeNode).dtype == np.uint8
        for value in (1, 2):  # Slicer turns the slices of a left-handed image around, so it is positions that count
            assert samePositions(positions_in_volume(volumeNode, value), positionsOfLabel(truth, value))


def positions_in_volume(volumeNode, value):
    """Return the RAS positions of the voxels of a volume node that have a value, (N, 3)."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    indices = np.argwhere(slicer.util.arrayFromVolume(volumeNode) == value)[:, ::-1]
    return (np.c_[indices, np.ones(len(indices))] @ slicer.util.arrayFromVTKMatrix(matrix).T)[:, :3]


def test_slicer_reads_place_times_and_labels_of_a_segmentation_sequence(written, frames, labels):
    path, scene = written("labels.seq.mrb"), application.newScene()
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    storageNode = scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
    storageNode.SetFileName(str(path))
    assert storageNode.ReadData(sequenceNode)

    check_index(sequenceNode, frames)
    for t, truth in enumerate(labels):
        for value, segment in ((1, "inner"), (2, "outer")):
            found = positionsOfSegment(sequenceNode.GetNthDataNode(t), segment)
            assert samePositions(found, positionsOfLabel(truth, value))


def check_index(sequenceNode, frames):
    """Check that a sequence node has the index of the frames."""
    values = [sequenceNode.GetNthIndexValue(n) for n in range(sequenceNode.GetNumberOfDataNodes())]
    assert values == [frame.index_value for frame in frames]
    assert (sequenceNode.GetIndexName(), sequenceNode.GetIndexUnit()) == ("time", "ms")
    assert sequenceNode.GetIndexTypeAsString() == "numeric"


def test_pydicom_reads_place_times_and_labels_of_dicom_seg(frames, settings, labels, tmp_path):
    series, outputs = tmp_path / "series", Outputs(tmp_path / "labels.seq.nrrd", dicom_seg=tmp_path / "seg")
    write_series(series, frames, lambda t, _: {"0018|1060": frames[t].index_value})
    segment_to_files(replace(settings, frames="0,2"), series, outputs)

    images = {image.SOPInstanceUID: image for image in map(pydicom.dcmread, series.iterdir())}
    objects = sorted(map(pydicom.dcmread, outputs.dicom_seg.iterdir()), key=lambda one: one.InstanceNumber)
    assert [one.InstanceNumber for one in objects] == [1, 3]
    for t, one in zip((0, 2), objects, strict=True):
        assert {s.SegmentNumber: s.SegmentLabel for s in one.SegmentSequence} == {1: "Inner", 2: "Outer"}
        sources = [
            image.ReferencedSOPInstanceUID for image in one.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        ]
        assert {float(images[uid].TriggerTime) for uid in sources} == {float(frames[t].index_value)}
        assert {images[uid].FrameOfReferenceUID for uid in sources} == {one.FrameOfReferenceUID}
        for value in (1, 2):
            assert samePositions(positions_in_dicom(one, value), positionsOfLabel(labels[t], value))


def positions_in_dicom(one, segment):
    """Return the RAS positions of the pixels of a segment of a DICOM SEG object, (N, 3), by its elements alone."""
    shared, found = one.SharedFunctionalGroupsSequence[0], [np.zeros((0, 3))]
    rows = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    for pixels, group in zip(one.pixel_array, one.PerFrameFunctionalGroupsSequence, strict=True):
        if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == segment:
            row, column = np.nonzero(pixels)
            corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
            found.append(corner + np.outer(column * between_columns, rows[0]) + np.outer(row * between_rows, rows[1]))
    return np.concatenate(found) @ RAS[:3, :3]
