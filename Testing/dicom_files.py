"""DICOM files as scanners write them, made from frames: one file for each image, or enhanced files."""

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid


def write_series(folder, frames, tags=None):
    """Write each slice of each frame to a file, with the geometry of the frame and a random file name."""
    folder.mkdir()
    study = {f"0020|{tag}": generate_uid() for tag in ("000d", "000e", "0052")}  # study, series, frame of reference
    study |= {"0010|0010": "Phantom^Heart", "0010|0020": "1", "0020|0010": "1", "0008|0016": MRImageStorage}
    names = np.random.default_rng(0).permutation(len(frames) * frames[0].image.GetDepth()).tolist()
    for number, frame in enumerate(frames):
        image = sitk.Cast(frame.image, sitk.sitkInt16)
        direction = image.GetDirection()
        for k in range(image.GetDepth()):
            one = image[:, :, k : k + 1]
            where = "\\".join(repr(v) for v in one.TransformIndexToPhysicalPoint((0, 0, 0)))
            rows = "\\".join(repr(direction[n]) for n in (0, 3, 6, 1, 4, 7))
            content = {"0008|0060": "MR", "0020|0032": where, "0020|0037": rows, "0020|0013": str(number + 1)}
            content |= study | {"0008|0018": generate_uid(), "0018|0050": repr(image.GetSpacing()[2])}
            content |= {"0018|1060": f"{number * 37.5}"} if tags is None else tags(number, k)
            for tag, value in content.items():
                one.SetMetaData(tag, value)
            writer = sitk.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetImageIO("GDCMImageIO")
            writer.SetFileName(str(folder / f"IM{names.pop():04}"))
            writer.Execute(one)


def write_enhanced(frames, path, groups=lambda number: {}):
    """Write all slices of all frames to one enhanced MR file, slice by slice, each slice with its times reversed."""
    slices = [(number, k) for k in range(frames[0].image.GetDepth()) for number in reversed(range(len(frames)))]
    first = frames[0].image
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file.Modality, file.ImageType = "MR", ["ORIGINAL", "PRIMARY", "M", "NONE"]
    file.Columns, file.Rows, _ = first.GetSize()
    file.NumberOfFrames, file.SamplesPerPixel, file.PhotometricInterpretation = len(slices), 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    direction, spacing = first.GetDirection(), first.GetSpacing()
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [round(direction[n], 12) for n in (0, 3, 6, 1, 4, 7)]
    measures.PixelSpacing, measures.SliceThickness = [spacing[1], spacing[0]], spacing[2]
    shared = Dataset()
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    file.SharedFunctionalGroupsSequence = [shared]
    file.PerFrameFunctionalGroupsSequence = []
    for number, k in slices:
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = [round(v, 9) for v in first.TransformIndexToPhysicalPoint((0, 0, k))]
        group.PlanePositionSequence = [position]
        for name, value in groups(number).items():
            setattr(group, name, [value])
        file.PerFrameFunctionalGroupsSequence.append(group)
    arrays = [sitk.GetArrayFromImage(sitk.Cast(frame.image, sitk.sitkInt16)) for frame in frames]
    file.PixelData = np.stack([arrays[number][k] for number, k in slices]).tobytes()
    file.save_as(path, enforce_file_format=True)


def trigger_time(number):
    """Return the functional groups of an image that give its time."""
    when = Dataset()
    when.NominalCardiacTriggerDelayTime = number * 37.5
    return {"CardiacSynchronizationSequence": when}


def small_image(t, k, **attributes):
    """Return a DICOM image of 4 x 3 pixels of the value 10 t + k, slice k of a stack of 5 mm gaps, without a time.

    Args:
        attributes: further elements by their keywords, in place of the usual ones; None for those to leave out.
    """
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    usual = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5",
        "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "Rows": 3,
        "Columns": 4,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelSpacing": [2.0, 1.5],
        "SliceThickness": 6.0,
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "ImagePositionPatient": [10.0, 5.0 * k, 20.0],
        "PixelData": np.full((3, 4), 10 * t + k, "<u2").tobytes(),
    }
    for keyword, value in (usual | attributes).items():
        if value is not None:
            setattr(image, keyword, value)
    image.file_meta.MediaStorageSOPClassUID = image.get("SOPClassUID", MRImageStorage)
    image.file_meta.MediaStorageSOPInstanceUID = image.get("SOPInstanceUID", "1.2.3")
    return image


def write_small_cine(folder, attributes, times=3, slices=2, prefix="IM"):
    """Write small images, with names that say nothing of their order.

    Args:
        attributes: function of t and k that returns further elements; see `small_image`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(times).permutation(times * slices).tolist()
    for t in range(times):
        for k in range(slices):
            path = folder / f"{prefix}{names.pop()}"
            small_image(t, k, **attributes(t, k)).save_as(path, enforce_file_format=True)


def values_of(sequence):
    """Return the value of each slice of each frame of a sequence that was made from small images."""
    arrays = [sitk.GetArrayFromImage(frame.image) for frame in sequence]
    assert all((array == array[:, :1, :1]).all() for array in arrays)
    return [array[:, 0, 0].tolist() for array in arrays]


def values_in_order(times, slices=2):
    """Return what `values_of` gives for frames and slices in the right order."""
    return [[10 * t + k for k in range(slices)] for t in range(times)]
