"""The module in a Slicer in which nothing that it needs is installed, in a process of its own."""

import json
import subprocess
import sys

import pytest
from conftest import REPOSITORY

PROGRAM = """
import json, sys, types
from importlib.machinery import ModuleSpec
sys.path[:0] = sys.argv[1:]
from host import absent
absent.hide("torch", "safetensors", "monai", "tqdm", "matplotlib", "highdicom", "distributed")
from host import application
application.start()
import slicer, CLSTMSegment
from CLSTMSegmentLib.core.errors import InputError
said, asked = {}, []
slicer.util.confirmOkCancelDisplay = lambda text, title=None: asked.append(text) or False

def refused(call, *arguments):
    try:
        call(*arguments)
    except InputError as error:
        return str(error)

CLSTMSegment.CLSTMSegmentTest().runTest()
said["self-test"] = "passed"
from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom
node = addHeartPhantom(slicer.mrmlScene, seed=4, frames=2)
logic = CLSTMSegment.CLSTMSegmentLogic()
said["segment"] = refused(logic.segment, node)
said["teach"] = refused(logic.teach, node, node, "valve", "/nowhere")
said["setup"] = refused(logic.setupPythonRequirements)

sys.modules["PyTorchUtils"] = types.ModuleType("PyTorchUtils")
sys.modules["PyTorchUtils"].__spec__ = ModuleSpec("PyTorchUtils", None)
parent = application.PanelParent()
widget = parent.makePanel()
widget.enter()
said["models"] = widget.ui.modelComboBox.count
for button in (widget.ui.applyButton, widget.ui.addModelButton, widget.ui.teachButton):
    button.enabled = True
    button.click()
parent.unload()
said["asked"] = asked
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said():
    """What the module answers to everything that needs torch."""
    arguments = [sys.executable, "-c", PROGRAM, str(REPOSITORY / "CLSTMSegment"), str(REPOSITORY / "Testing")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_self_test_passes_without_the_network(said):
    assert said["self-test"] == "passed"


@pytest.mark.parametrize("call", ["segment", "teach"])
def test_call_of_the_logic_is_one_clear_error(call, said):
    assert said[call].startswith("torch>=2.4, safetensors>=0.4.3")
    assert "must be installed first: call setupPythonRequirements()" in said[call]


def test_requirements_without_the_extension_that_brings_torch_say_what_to_do(said):
    assert "Install the PyTorch extension" in said["setup"]


def test_panel_shows_the_models_and_each_button_offers_to_install_what_is_missing(said):
    assert said["models"] >= 2
    assert len(said["asked"]) == 3
    for text in said["asked"]:
        assert "torch>=2.4, safetensors>=0.4.3" in text
