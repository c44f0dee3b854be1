"""Sequences on disk: 4D image files, folders of 3D images and DICOM series, read frame by frame."""

from pathlib import Path

from ..core.errors import InputError
from ..core.plain_files import readable
from .detached_voxels import voxel_files
from .file_sequence import FileSequence
from .frame_folder import read_frame_folder
from .image_4d import read_metaimage, read_nifti
from .image_files import format_of
from .input_files import IMAGE_SUFFIXES, check_frames, input_files, is_dicom_input, labels_left_out
from .label_mark import is_marked_as_labels
from .sequence_nrrd import read_sequence_nrrd


def read_sequence(path: Path, series: int | None = None) -> FileSequence:
    """Return the sequence in a file or folder.

    Args:
        path: a .seq.nrrd, another 4D image file, a 3D one, which is a single frame, an enhanced DICOM file, a folder
            with DICOM images, or a folder of 3D image files, which are taken in natural order.
        series: number of one of the series in a DICOM folder or file, counted from 1; None for the only one.

    A frame is read when it is asked for. Only compressed DICOM files of many images, and files whose frames do not
    follow each other or that are encoded in an unusual way, are kept in RAM, in the type of their voxels.

    Raises:
        InputError: the file or folder does not exist, cannot be read, or is not a sequence.
    """
    with readable(path):
        files = input_files(path)
        if is_dicom_input(path):
            try:
                # pydicom is needed for DICOM alone, and not installed everywhere
                from .dicom_series import CineSeries
            except ImportError as error:
                raise InputError(f"{path} is DICOM, for which pydicom is needed: pip install pydicom") from error
            return CineSeries(path, series)
        if series is not None:
            raise InputError(f"{path} is not DICOM: only a DICOM folder or file has a series {series} to choose")
        if path.is_dir():
            check_frames(path, files)
            sequence = read_frame_folder(path, files)
            sequence.warnings += labels_left_out(files)
            return sequence
        if not path.name.lower().endswith(IMAGE_SUFFIXES):
            raise InputError(f"{path}: unknown file type: give one of {', '.join(IMAGE_SUFFIXES)}, or a folder of them")
        readers = {"NiftiImageIO": read_nifti, "NrrdImageIO": read_sequence_nrrd, "MetaImageIO": read_metaimage}
        sequence = readers[format_of(path)](path)
        if is_marked_as_labels(path):
            sequence.warnings.append(f"{path.name} holds labels, by its header, and they are taken for images here")
        return sequence


def files_of_sequence(path: Path) -> list[Path]:
    """Return all files from which `read_sequence` reads, those among them that hold the voxels of another."""
    with readable(path):
        images = input_files(path) if path.is_dir() else [path]
        return images + [file for image in images if image.is_file() for file in voxel_files(image)]
