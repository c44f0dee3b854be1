"""Packages that Slicer lacks: the user is asked once, they are installed, and a failure is told."""

import importlib.util
import subprocess
import sys
import types
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest
import slicer
from CLSTMSegmentLib.panel.dependencies import TO_SEGMENT, TO_TEACH, installMissing


@pytest.fixture
def slicerWithout(monkeypatch):
    """A Slicer without some packages until they are installed; tells what was asked, shown and installed."""
    really = importlib.util.find_spec

    def begin(*names, consent=True, extension=True, failing=False):
        absent = {*names} if extension else {*names, "PyTorchUtils"}
        seen = SimpleNamespace(asked=[], shown=[], installed=[])

        def install(name):
            if failing:
                raise subprocess.CalledProcessError(1, ["pip"])
            absent.discard(name)
            seen.installed.append(name)

        class PyTorchUtilsLogic:
            def installTorch(
                self,
                askConfirmation=False,
                forceComputationBackend=None,
                torchVersionRequirement=None,
                torchvisionVersionRequirement=None,
            ):
                assert not askConfirmation
                install("torch")

        def pip_install(requirements, **kwargs):
            for need, package in ((TO_SEGMENT, "safetensors"), (TO_TEACH, "monai")):
                if requirements == ["-r", str(need.requirements)]:
                    install(package)

        extensionModule = types.ModuleType("PyTorchUtils")
        extensionModule.PyTorchUtilsLogic = PyTorchUtilsLogic
        extensionModule.__spec__ = ModuleSpec("PyTorchUtils", None)
        monkeypatch.setitem(sys.modules, "PyTorchUtils", extensionModule)
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name in absent else really(name, *rest)
        )
        monkeypatch.setattr(slicer.util, "pip_install", pip_install)
        monkeypatch.setattr(
            slicer.util, "confirmOkCancelDisplay", lambda text, windowTitle=None: seen.asked.append(text) or consent
        )
        monkeypatch.setattr(slicer.util, "errorDisplay", lambda text: seen.shown.append(text))
        return seen

    return begin


def test_nothing_is_asked_when_nothing_is_missing(slicerWithout):
    seen = slicerWithout()

    assert installMissing()

    assert not seen.asked


def test_missing_packages_are_installed_with_consent(slicerWithout):
    seen = slicerWithout("torch", "safetensors")

    assert installMissing()

    assert "torch, safetensors" in seen.asked[0]
    assert seen.installed == ["torch", "safetensors"]


def test_nothing_is_installed_without_consent(slicerWithout):
    seen = slicerWithout("safetensors", consent=False)

    assert not installMissing()

    assert not seen.installed


def test_missing_pytorch_extension_is_told(slicerWithout):
    seen = slicerWithout("torch", extension=False)

    assert not installMissing()

    assert "PyTorch extension" in seen.shown[0]
    assert not seen.asked


def test_failed_installation_is_told(slicerWithout):
    seen = slicerWithout("torch", failing=True)

    assert not installMissing()

    assert "torch could not be installed" in seen.shown[0]


def test_packages_that_only_teaching_needs_are_installed_with_consent(slicerWithout):
    seen = slicerWithout("monai")

    assert installMissing()
    assert installMissing(TO_TEACH)

    assert len(seen.asked) == 1
    assert seen.installed == ["monai"]
