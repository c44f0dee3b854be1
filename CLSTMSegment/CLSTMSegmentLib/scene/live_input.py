"""A volume whose image changes: whether a new frame is there, and what it is."""

import numpy as np
import slicer

from ..core.errors import InputError
from ..core.same_grid import ImageGrid
from .images import volumeGrid, voxelsOf
from .inputs import checkVolume


class LiveInput:
    """Asks a volume node for new frames, which OpenIGTLink, the playback of a sequence or a script puts into it.

    It does not observe the node. One frame causes several events, some of them before its voxels are there. On the
    other hand, `slicer.util.arrayFromVolumeModified` does not cause `vtkMRMLVolumeNode.ImageDataModifiedEvent`. All of
    them, and a change of the geometry, are seen by a comparison with the frame before, which takes some microseconds.

    Args:
        volumeNode: the volume.
    """

    def __init__(self, volumeNode: slicer.vtkMRMLScalarVolumeNode):
        self.node = volumeNode
        self._seen: tuple | None = None

    def hasNewFrame(self) -> bool:
        """Return whether the image, or the place of its voxels, has changed since the last call."""
        if not _hasImage(self.node):
            return False
        imageData = self.node.GetImageData()
        state = imageData, imageData.GetMTime(), volumeGrid(self.node)
        isNew, self._seen = state != self._seen, state
        return isNew

    def frame(self) -> tuple[np.ndarray, ImageGrid]:
        """Return the voxels (k, j, i) of the newest frame, which are not copied, and where they lie.

        Raises:
            InputError: it is no scalar image.
        """
        checkVolume(self.node, f"the newest image of {self.node.GetName()!r}")
        return voxelsOf(self.node), volumeGrid(self.node)


def checkLiveInput(volumeNode: slicer.vtkMRMLNode) -> None:
    """Raise an InputError unless the node is a volume in a scene; its image must be scalar, if it has one already."""
    if not volumeNode.IsA("vtkMRMLScalarVolumeNode") or volumeNode.GetScene() is None:
        raise InputError(f"{volumeNode.GetName()!r} is no volume in the scene: choose one whose image changes")
    if _hasImage(volumeNode):
        checkVolume(volumeNode, repr(volumeNode.GetName()))


def _hasImage(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> bool:
    imageData = volumeNode.GetImageData()
    return imageData is not None and imageData.GetNumberOfPoints() > 0
