"""Structures that the box of a located frame cuts or misses: how they are noticed, and the boxes that hold them."""

import SimpleITK as sitk

from ..core.boxes import Box, around_structures, bounding_box, reaches_side, union
from ..core.sequence import SegmentedFrame
from .frame_grid import FrameGrid
from .intensity_window import IntensityWindow
from .region import Region
from .structure_locator import StructureLocator


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


def missed_structure(
    result: SegmentedFrame, image: sitk.Image, box: Box, locator: StructureLocator, window: IntensityWindow
) -> Box | None:
    """Return the box in which the locator finds structures of a frame, if nothing was found in the frame's own box.

    Args:
        result: the labels of the frame.
        image: the frame.
        box: the box of the reoriented frame that was segmented.
        locator: the locator of the model.
        window: the intensity window.

    Returns:
        None where something was found, or where the located box holds nothing beyond the segmented one.
    """
    if sitk.GetArrayViewFromImage(result.labels).any():
        return None
    found = locator.find([image], window, lambda *_: None)
    return None if found is None or union(found, box) == box else found


def wider_boxes(box: Box, grid: FrameGrid, margin_mm: float) -> list[Box]:
    """Return ever wider boxes around a box: with a margin within the slices, and the whole frame."""
    wider = around_structures(box, margin_mm, grid.frame_spacing, grid.frame_shape)
    return [one for one in dict.fromkeys((wider, grid.box)) if one != box]
