"""Packages that Slicer lacks: the user is asked once, they are installed, and a failure is told once."""

import importlib.util
import subprocess
import sys
import types
from importlib.machinery import ModuleSpec

import pytest
import slicer
from CLSTMSegmentLib.core.errors import InputError, RunFailed
from CLSTMSegmentLib.panel import dependencies
from CLSTMSegmentLib.panel.dependencies import (
    TO_SEGMENT,
    TO_TEACH,
    TO_USE_A_CLUSTER,
    PackageInstaller,
    install,
    missingPackages,
)
from CLSTMSegmentLib.worker.worker_process import RELAY
from conftest import REPOSITORY

from panel.conftest import wait


class SlicerWithout:
    """A Slicer without some packages until they are installed.

    Attributes:
        consent, failing: whether the user agrees; and what the installation raises.
        whileInstalling: called while torch is installed, when Slicer reacts to clicks.
        asked, told, installed, after: what was asked, told and installed, and how often devices were asked for.
        alone: whether pip was told to install nothing that the packages require.
    """

    def __init__(self, monkeypatch, *names, extension=True):
        self.consent, self.failing, self.whileInstalling = True, None, lambda: None
        self.asked, self.told, self.installed, self.after = [], [], [], []
        self.installer = PackageInstaller(lambda: self.after.append(1))
        absent = {*names} if extension else {*names, "PyTorchUtils"}
        really = importlib.util.find_spec

        def add(package):
            self.whileInstalling()
            if self.failing is not None:
                raise self.failing
            absent.discard(package.partition(">")[0])
            self.installed.append(package)

        class PyTorchUtilsLogic:
            def installTorch(
                self,
                askConfirmation=False,
                forceComputationBackend=None,
                torchVersionRequirement=None,
                torchvisionVersionRequirement=None,
            ):
                assert not askConfirmation
                add(f"torch{torchVersionRequirement}")

        def pip_install(requirements, **kwargs):
            self.alone = requirements[0] == "--no-deps"
            for package in requirements[self.alone :]:
                add(package)

        extensionModule = types.ModuleType("PyTorchUtils")
        extensionModule.PyTorchUtilsLogic = PyTorchUtilsLogic
        extensionModule.__spec__ = ModuleSpec("PyTorchUtils", None)
        monkeypatch.setitem(sys.modules, "PyTorchUtils", extensionModule)
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name in absent else really(name, *rest)
        )
        monkeypatch.setattr(slicer.util, "pip_install", pip_install)
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", self.ask)
        monkeypatch.setattr(slicer.util, "errorDisplay", lambda text: pytest.fail("a second place for the failure"))

    def ask(self, text, windowTitle=None):
        self.asked.append(text)
        return self.consent

    def ensure(self, need=TO_SEGMENT):
        return self.installer.ensure(need, self.told.append)


@pytest.fixture
def slicerWithout(monkeypatch):
    """Make a Slicer without some packages."""
    return lambda *names, **options: SlicerWithout(monkeypatch, *names, **options)


@pytest.fixture
def otherVersion(monkeypatch, tmp_path):
    """Let a package of this Python have another version."""

    def begin(name, version):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)

    return begin


def test_nothing_is_asked_when_nothing_is_missing(slicerWithout):
    without = slicerWithout()

    assert without.ensure()

    assert not without.asked
    assert not without.after


def test_missing_packages_are_installed_with_consent_and_devices_are_asked_for_again(slicerWithout):
    without = slicerWithout("torch", "safetensors")

    assert without.ensure()

    assert "torch>=2.4, safetensors>=0.4.3" in without.asked[0]
    assert without.installed == ["torch>=2.4", "safetensors>=0.4.3"]
    assert without.after == [1]


def test_nothing_is_installed_without_consent(slicerWithout):
    without = slicerWithout("safetensors")
    without.consent = False

    assert not without.ensure()

    assert not without.installed
    assert not without.told


def test_missing_pytorch_extension_is_told(slicerWithout):
    without = slicerWithout("torch", extension=False)

    assert not without.ensure()

    assert "PyTorch extension" in without.told[0]
    assert not without.asked


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (subprocess.CalledProcessError(1, ["pip"]), "exit status 1"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ImportError("light_the_torch"), "light_the_torch"),
        (ValueError("Failed to get computation backend."), "backend"),
    ],
)
def test_failed_installation_is_told_once_with_its_cause(error, cause, slicerWithout):
    without = slicerWithout("torch")
    without.failing = error

    assert not without.ensure()

    assert "torch>=2.4 could not be installed" in without.told[-1]
    assert cause in without.told[-1]
    assert [text for text in without.told if "could not" in text] == without.told[-1:]
    assert not without.after


def test_package_that_is_still_missing_after_its_installation_is_told(slicerWithout, monkeypatch):
    without = slicerWithout("safetensors")
    monkeypatch.setattr(slicer.util, "pip_install", lambda requirements: None)

    assert not without.ensure()

    assert "restart Slicer" in without.told[-1]


def test_second_click_during_an_installation_does_nothing(slicerWithout):
    without, answers = slicerWithout("torch"), []
    without.whileInstalling = lambda: answers.append(without.ensure())

    assert without.ensure()

    assert answers == [False]
    assert len(without.asked) == 1
    assert without.installed == ["torch>=2.4"]


def test_packages_for_teaching_are_installed_without_those_that_they_require(slicerWithout):
    without = slicerWithout("monai")

    assert without.ensure()
    assert without.ensure(TO_TEACH)

    assert len(without.asked) == 1
    assert without.installed == ["monai>=1.4,<1.6"]
    assert without.alone


def test_on_a_cluster_slicer_needs_dask_and_what_dask_requires_but_no_torch(slicerWithout, fakePanel, fakes, sequence):
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakePanel.runOnLineEdit.text = "tls://department:8786"
    without = slicerWithout("torch", "safetensors", "distributed")

    fakePanel.applyButton.click()

    assert len(without.asked) == 1
    assert without.installed == ["distributed>=2024.8"]
    assert not without.alone
    assert [fake.module for fake in fakes] == [RELAY]


@pytest.mark.parametrize(
    ("version", "missing"), [("2.3.1", True), ("1.13.1+cu117", True), ("2.4.0", False), ("2.10.1+cpu", False)]
)
def test_torch_that_is_too_old_counts_as_missing(version, missing, otherVersion):
    otherVersion("torch", version)

    assert ("torch>=2.4" in missingPackages(TO_SEGMENT)) == missing


def test_torch_that_is_new_enough_is_not_replaced(slicerWithout, otherVersion):
    otherVersion("torch", "2.4.1")
    without = slicerWithout("safetensors", "monai", "tqdm")

    assert without.ensure(TO_TEACH)

    assert not any(package.startswith("torch") for package in without.installed)


def test_slicer_for_macs_with_an_intel_processor_is_told_before_any_download(slicerWithout, otherVersion, monkeypatch):
    otherVersion("torch", "2.2.2")
    without = slicerWithout()
    monkeypatch.setattr(dependencies.sys, "platform", "darwin")
    monkeypatch.setattr(dependencies.platform, "machine", lambda: "x86_64")

    assert not without.ensure()

    (text,) = without.told
    assert "This Slicer cannot run models" in text
    assert not without.asked
    assert not without.installed


def test_scripts_install_without_being_asked(slicerWithout):
    without = slicerWithout("torch", "safetensors")

    install(TO_SEGMENT)

    assert without.installed == ["torch>=2.4", "safetensors>=0.4.3"]
    assert not without.asked


def test_script_gets_an_error_when_the_installation_fails(slicerWithout):
    without = slicerWithout("safetensors")
    without.failing = subprocess.CalledProcessError(1, ["pip"])

    with pytest.raises(RunFailed, match=r"safetensors>=0\.4\.3 could not be installed"):
        install(TO_SEGMENT)


def test_script_gets_an_error_without_the_pytorch_extension(slicerWithout):
    slicerWithout("torch", extension=False)

    with pytest.raises(InputError, match="PyTorch extension"):
        install(TO_SEGMENT)


def test_panel_tells_a_failed_installation_and_asks_for_devices_after_a_good_one(
    slicerWithout, fakePanel, fakes, sequence
):
    fakePanel.inputSelector.setCurrentNode(sequence)
    without = slicerWithout("safetensors")
    without.failing = OSError("no network")

    fakePanel.applyButton.click()
    told = fakePanel.statusLabel.text
    without.failing = None
    fakePanel.applyButton.click()

    assert "could not be installed (no network)" in told
    assert len(fakes) == 1
    box = fakePanel.deviceComboBox
    wait(lambda: "cores" in box.itemText(box.count - 1), "the devices")


def test_versions_are_those_that_the_package_requires():
    required = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")

    for package in (*TO_TEACH.packages, *TO_SEGMENT.packages, *TO_USE_A_CLUSTER.packages):
        assert f'"{package.partition(",")[0]}"' in required
