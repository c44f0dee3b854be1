"""The button that writes a result as DICOM SEG objects, for viewers and archives outside of Slicer."""

from dataclasses import replace
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ..core.atomic_write import replacing
from ..core.errors import InputError
from ..core.plain_files import file_name
from ..model.description import Model
from ..scene.outputs import SegmentationOutput
from ..scene.unsaved_drawings import saveChanges
from .busy import busy
from .dependencies import checkDicomExport
from .reported_slots import reporting, telling


class DicomExport:
    """The button *Export DICOM SEG...*.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui: object):
        self._ui = ui
        self._tell = telling(ui.statusLabel)
        self._output: SegmentationOutput | None = None
        self._model: Model | None = None
        ui.exportDicomButton.connect("clicked()", reporting(ui.statusLabel, self._onExport))

    def offer(self, output: SegmentationOutput | None, model: Model | None = None) -> None:
        """Let the user export a finished output; None for none."""
        self._output, self._model = output, model
        self._ui.exportDicomButton.enabled = output is not None

    def _onExport(self) -> None:
        from ..scene.dicom_frames import checkFromDicom  # needs pydicom, and time to import it

        checkFromDicom(self._output.source)
        checkDicomExport()
        parent = qt.QFileDialog.getExistingDirectory(self._ui.exportDicomButton, _("Folder for the DICOM SEG objects"))
        if not parent:
            return
        name = file_name(self._output.source.node.GetName(), _("result"))
        folder = Path(parent) / _("{name} DICOM SEG").format(name=name)
        if folder.exists():
            raise InputError(_("{folder} exists already: rename or remove it first").format(folder=folder))
        self._write(folder)
        self._tell(_("The DICOM SEG objects are in {folder}.").format(folder=folder))

    def _write(self, folder: Path) -> None:
        from ..pipeline.dicom_seg import DicomSegWriter  # needs highdicom
        from ..scene.dicom_frames import dicomFrames, segmentsAsSeen

        saveChanges(self._output.outputNode)
        files: dict[int, list[Path]] = {}
        count, model = len(self._output.curve.frames), replace(self._model, segments=segmentsAsSeen(self._output))
        with busy(self._ui.statusLabel) as show, replacing(folder) as partial:
            writer = DicomSegWriter(partial, model, files.__getitem__)
            for done, (frame, ownFiles) in enumerate(dicomFrames(self._output), start=1):
                files[frame.number] = ownFiles
                show(_("Writing DICOM SEG: {done} of {total}").format(done=done, total=count))
                writer.add(frame)
