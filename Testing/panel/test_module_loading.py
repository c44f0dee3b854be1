"""The module file as Slicer loads it: in a Slicer that is too old, and again with the button *Reload*."""

import runpy
import sys

import pytest
import slicer


def test_slicer_that_is_too_old_is_told_in_one_line(scene, monkeypatch):
    import CLSTMSegment

    monkeypatch.setattr(slicer.app, "minorVersion", 8)

    with pytest.raises(RuntimeError, match=r"needs Slicer 5\.10 or later; this is Slicer 5\.8"):
        runpy.run_path(CLSTMSegment.__file__)


def test_reload_reads_the_library_again(fakeWidget):
    module = sys.modules["CLSTMSegment"]
    library = {name: one for name, one in sys.modules.items() if name.partition(".")[0] == "CLSTMSegmentLib"}

    fakeWidget.onReload()

    try:
        assert sys.modules["CLSTMSegmentLib.engine.settings"] is not library["CLSTMSegmentLib.engine.settings"]
        assert slicer.modules.CLSTMSegmentWidget.ui.modelComboBox.count > 0
    finally:  # the other tests go on with the classes that they know
        sys.modules.update(library, CLSTMSegment=module)
