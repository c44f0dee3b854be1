"""What the logic of the module does live for the Python console."""

from collections.abc import Callable
from pathlib import Path

import slicer

from ..engine.settings import DEFAULT_MODEL
from .run_on import makeLocalWorker


class LiveConsole:
    """Segments a volume of the scene live, in the Python console."""

    def live(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        model: str | Path = DEFAULT_MODEL,
        roi: slicer.vtkMRMLNode | None = None,
        onChanged: Callable | None = None,
        **settings: object,
    ) -> object:
        """Segment a volume whenever its image changes, in a process of its own: return at once, as the panel does.

        Args:
            volumeNode: a scalar volume that OpenIGTLink, the playback of a sequence or a script changes.
            model: name of a bundled model, folder of a model or published checkpoint of eksubin/CLSTM-Unet4D (`.pth`).
            roi: a markups ROI, outside of which nothing is segmented, also after ROI or volume were moved; None for the
                whole image.
            onChanged: called with the live segmentation whenever a frame is segmented or something else is new, and
                once at the end.
            settings: `device`, `precision`, `tile`, `overlap`, `ram_gb`, `state_rule`, `warm_up_frames` or `region`
                (instead of a ROI) of `engine.settings.RunSettings`.

        Returns:
            The live segmentation, a `panel.live_segmentation.LiveSegmentation`: `output.node` is the segmentation;
            `record(True)` and `record(False)` begin and end a recording; `stop()` ends it.

        Raises:
            InputError: an unknown setting, or a volume, model, ROI or setting that cannot be used; or Python packages
                are missing, which `setupPythonRequirements` installs.
            OSError: the process cannot be started.
        """
        from ..model.bundle import load_model
        from ..scene.keywords import runSettings
        from ..scene.live_input import checkLiveInput
        from ..scene.regions import regionFromROI
        from .dependencies import TO_SEGMENT, checkInstalled
        from .live_segmentation import LiveRequest, LiveSegmentation

        checkInstalled(TO_SEGMENT)
        checkLiveInput(volumeNode)
        if roi is not None:
            settings["region"] = regionFromROI(roi, volumeNode)
        run = runSettings(model, settings)
        request = LiveRequest(volumeNode, load_model(run.model), run, roi=roi)
        return LiveSegmentation(request, makeLocalWorker(), onChanged or (lambda live: None))
