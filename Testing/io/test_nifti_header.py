"""NIfTI headers whose voxels or time steps are no lengths, which SimpleITK would take for 1."""

import gzip
import math
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.image_files import read_image
from CLSTMSegmentLib.io.sequence_files import read_sequence


def nifti(folder, suffix=".nii", **steps):
    """Write a sequence of two frames, 40 s apart, and replace steps in its header, such as x=0 or t=math.nan."""
    path = folder / f"s{suffix}"
    frame = sitk.GetImageFromArray(np.arange(64, dtype=np.int16).reshape(4, 4, 4))
    sitk.WriteImage(sitk.JoinSeries([frame, frame], 0, 40), str(folder / "s.nii"))
    content = bytearray((folder / "s.nii").read_bytes())
    for name, step in steps.items():
        struct.pack_into("<f", content, 80 + 4 * "xyzt".index(name), step)
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("steps", [{"x": 0.0}, {"y": math.nan}, {"z": math.inf}])
def test_voxel_without_a_size_is_refused_with_the_file(steps, suffix, tmp_path):
    path = nifti(tmp_path, suffix, **steps)

    for read in (read_sequence, read_image):
        with pytest.raises(InputError, match=r"s\.nii.* gives voxels of .* mm: correct its pixdim"):
            read(path)


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan, math.inf])
def test_time_step_that_is_none_leaves_frame_numbers(step, tmp_path):
    index = read_sequence(nifti(tmp_path, t=step)).index

    assert (index.values, index.name, index.unit) == (["0", "1"], "frame", "")


def test_sizes_and_time_steps_that_are_lengths_are_taken(tmp_path):
    sequence = read_sequence(nifti(tmp_path, ".nii.gz", x=2.0))

    assert sequence.index.values == ["0", "40"]
    assert sequence[0].image.GetSpacing() == (2.0, 1.0, 1.0)
