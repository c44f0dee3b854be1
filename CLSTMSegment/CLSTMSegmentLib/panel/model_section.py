"""The models in the panel: the list to choose from, what the chosen one is for, and changes to the list."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError
from ..engine.settings import DEFAULT_MODEL
from ..model.bundle import load_model
from ..model.description import Model
from .dependencies import TO_SEGMENT, PackageInstaller
from .model_choice import addModel, choosableModels, detailsAsHtml, summaryAsHtml
from .own_models import isOwnModel, removeModel, renameModel
from .reported_slots import plain, reporting, telling


class ModelSection:
    """The widgets that show and add models.

    Args:
        ui: the panel's widgets.
        modelsFolder: the folder of the models that the user added.
        added: called with the source of the model to choose after the models have changed.
        installer: installs what is needed to check a model before it is added.

    Attributes:
        models: the models to choose from, by what `model.bundle.load_model` loads them by.
    """

    def __init__(self, ui: object, modelsFolder: Path, added: Callable[[str], None], installer: PackageInstaller):
        self._ui = ui
        self._tell = telling(ui.statusLabel)
        self._installer = installer
        self._modelsFolder = modelsFolder
        self._added = added
        self.models: dict[str, Model] = {}
        ui.addModelButton.connect("clicked()", reporting(ui.statusLabel, self._onAddModel))
        ui.openModelFolderButton.connect("clicked()", reporting(ui.statusLabel, self._onOpenModelFolder))
        ui.renameModelButton.connect("clicked()", reporting(ui.statusLabel, self._onRenameModel))
        ui.removeModelButton.connect("clicked()", reporting(ui.statusLabel, self._onRemoveModel))
        self.fill()

    def fill(self) -> None:
        """Read the models, and list them."""
        box = self._ui.modelComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        self.models = dict(choosableModels(self._modelsFolder))
        for source, model in self.models.items():
            box.addItem(model.title, source)
        box.blockSignals(wasBlocked)

    def describe(self, source: str) -> None:
        """Show what the chosen model is for, and who made it; nothing where it is missing."""
        model = self.models.get(source)
        self._ui.modelSummaryLabel.text = summaryAsHtml(model) if model is not None else ""
        self._ui.modelDetailsLabel.text = detailsAsHtml(model) if model is not None else ""
        for button in (self._ui.renameModelButton, self._ui.removeModelButton):
            button.enabled = model is not None and isOwnModel(source, self._modelsFolder)

    def chosen(self, source: str) -> Model:
        """Return the chosen model.

        Raises:
            InputError: it is missing.
        """
        if source not in self.models:
            raise InputError(_("model {name} is missing: choose another").format(name=source))
        return self.models[source]

    def readAgain(self, source: str) -> Model:
        """Return the chosen model as it is on the disk now; one that was replaced under its name is shown anew.

        Raises:
            InputError: it is missing or damaged.
        """
        model = load_model(source)
        if model != self.models.get(source):
            self._added(source)
        return model

    def _onAddModel(self) -> None:
        if not self._installer.ensure(TO_SEGMENT, self._tell):
            return
        file = qt.QFileDialog.getOpenFileName(
            self._ui.addModelButton, _("Add a model"), "", _("Models") + " (model.json *.pth)"
        )
        if file:
            self._added(addModel(Path(file), self._modelsFolder))

    def _onOpenModelFolder(self) -> None:
        self._modelsFolder.mkdir(parents=True, exist_ok=True)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._modelsFolder)))

    def _onRenameModel(self) -> None:
        source = self._ui.modelComboBox.currentData
        before = self.models[source].title
        name = qt.QInputDialog.getText(
            self._ui.renameModelButton, _("Rename the model"), _("New name:"), qt.QLineEdit.Normal, before
        )
        if name and name.strip() != before:
            self._added(renameModel(source, name.strip()))

    def _onRemoveModel(self) -> None:
        source = self._ui.modelComboBox.currentData
        question = _("The model {name} will be removed from this computer.").format(name=self.models[source].title)
        if slicer.util.confirmOkCancelDisplay(plain(question), _("Remove the model")):
            removeModel(source)
            self._added(DEFAULT_MODEL)
