"""The combo boxes of the settings: what they offer, and which parameter each of them shows."""

import qt
from slicer.i18n import tr as _

from ..engine.settings import PRECISIONS


def fillChoices(ui: object) -> tuple[tuple[qt.QComboBox, str], ...]:
    """Fill the combo boxes that always offer the same; return all that show a parameter, each with its name."""
    for box, choices in (
        (ui.framesComboBox, ((_("All"), "all"), (_("The current one"), "current"), (_("A range"), "range"))),
        (ui.precisionComboBox, ((_("Automatic"), "auto"), *((name, name) for name in PRECISIONS[1:]))),
        (
            ui.stateComboBox,
            (
                (_("As the model says"), ""),
                (_("Carry to the end"), "carry"),
                (_("Window"), "window"),
                (_("Reset at every frame"), "reset"),
            ),
        ),
    ):
        for text, data in choices:
            box.addItem(text, data)
    return (
        (ui.modelComboBox, "model"),
        (ui.framesComboBox, "frames"),
        (ui.deviceComboBox, "device"),
        (ui.precisionComboBox, "precision"),
        (ui.stateComboBox, "stateRule"),
    )
