"""Structures that the box of a located frame cuts: how they are noticed, and the wider boxes that hold them."""

from ..core.boxes import Box, around_structures, bounding_box, reaches_side
from ..core.sequence import SegmentedFrame
from .frame_grid import FrameGrid
from .region import Region


def cut_structure(result: SegmentedFrame, grid: FrameGrid, box: Box, region: Region | None) -> Box | None:
    """Return the box of the labels of a frame where they reach a side of the box that was segmented, else None.

    A side at which the image or the region of interest ends does not count: nothing lies beyond it.

    Args:
        result: the labels of the frame.
        grid: the model's grid laid over the whole frame.
        box: the box of the reoriented frame that was segmented.
        region: the region of interest; None for the whole image.
    """
    found = bounding_box(grid.reoriented(result.labels) > 0)
    outer = grid.box if region is None else grid.region_box(region)
    return found if found is not None and reaches_side(found, box, outer) else None


def wider_boxes(box: Box, grid: FrameGrid, margin_mm: float) -> list[Box]:
    """Return ever wider boxes around a box: with a margin within the slices, and the whole frame."""
    wider = around_structures(box, margin_mm, grid.frame_spacing, grid.frame_shape)
    return [one for one in dict.fromkeys((wider, grid.box)) if one != box]
