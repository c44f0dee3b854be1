"""NIfTI-1 files for tests, written byte by byte, as programs other than SimpleITK write them."""

import struct

import numpy as np


def write_nifti(path, voxels, edges=(3.0, 2.0, 7.0), step=0.0, units=2, sform=None, size=None, changes=()):
    """Write voxels of 16 bits, (t, k, j, i) or (k, j, i).

    Args:
        edges: voxel edges along i, j and k.
        step: time between frames.
        units: code of the units; 2 for mm, plus 8 for s, 16 for ms or 24 for us.
        sform: 3 x 4 matrix from voxels to RAS; None for straight axes along R, A and S.
        size: number of voxels along each axis, i first, where it is not the shape of the voxels.
        changes: (place, format of struct, value) for each further change of the header.
    """
    size = size or voxels.shape[::-1]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(size), *size, *[1] * (7 - len(size)))
    struct.pack_into("<2h", header, 70, 4, 16)
    steps = [*edges, *(step if n > 1 else 1.0 for n in size[3:])]
    struct.pack_into("<8f", header, 76, 1, *steps, *[0] * (7 - len(steps)))
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    header[123] = units
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *np.ravel(np.diag([*edges, 1.0])[:3] if sform is None else sform))
    header[344:348] = b"n+1\0"
    for place, kind, value in changes:
        struct.pack_into(kind, header, place, value)
    path.write_bytes(bytes(header) + voxels.astype("<i2").tobytes())
