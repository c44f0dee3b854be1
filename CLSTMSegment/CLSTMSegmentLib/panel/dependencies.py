"""Python packages that the module needs and Slicer lacks: which are missing, and their installation."""

import importlib.metadata
import importlib.util
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError, RunFailed

TORCH = "torch>=2.4"


@dataclass(frozen=True)
class Need:
    """The packages that an action needs beside what Slicer brings, as pip is told them, and their size without PyTorch.

    They are installed without the packages that they require in turn: Slicer has those, and pip would replace PyTorch.

    Attributes:
        required: whether those are installed too, because Slicer lacks them.
    """

    packages: tuple[str, ...]
    size: str
    required: bool = False


TO_SEGMENT = Need((TORCH, "safetensors>=0.4.3"), _("less than a megabyte"))
# MONAI 1.6 needs a PyTorch that is newer than the one that many users have
TO_TEACH = Need((*TO_SEGMENT.packages, "monai>=1.4,<1.6", "tqdm>=4.66"), _("two megabytes"))
TO_USE_A_CLUSTER = Need(("distributed>=2024.8",), _("ten megabytes"), required=True)

HIGHDICOM = "highdicom>=0.27"
"""Needs pydicom 3, so that it can be installed in no Slicer before 5.12, which brings both."""


def missingPackages(need: Need) -> list[str]:
    """Return the packages that are not installed or too old, without importing any."""
    return [package for package in need.packages if not _isInstalled(package)]


def checkInstalled(need: Need) -> None:
    """Raise an InputError that says what to do if a package is missing."""
    missing = missingPackages(need)
    if missing:
        raise InputError(
            _(
                "{packages} must be installed first: call setupPythonRequirements() of the logic, or use the panel, "
                "which offers it"
            ).format(packages=", ".join(missing))
        )


def checkDicomExport() -> None:
    """Raise an InputError that says what to do if this Slicer cannot write DICOM SEG."""
    if not _isInstalled(HIGHDICOM):
        raise InputError(
            _("DICOM SEG needs Slicer 5.12 or later, or the command line: this Slicer has no {package}.").format(
                package=HIGHDICOM
            )
        )


def install(need: Need) -> None:
    """Install the packages that are missing, without asking.

    Raises:
        InputError: they cannot be installed in this Slicer.
        RunFailed: they could not be installed.
    """
    missing = missingPackages(need)
    if TORCH in missing:
        _checkTorchCanBeInstalled()
    try:
        if TORCH in missing:
            import PyTorchUtils  # from the PyTorch extension, which chooses the build for this computer's GPU

            version = TORCH.removeprefix("torch")
            PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=version)
        others = [package for package in missing if package != TORCH]
        if others:
            slicer.util.pip_install(others if need.required else ["--no-deps", *others])
    except Exception as error:  # the code of others, which fails in any way
        raise _failure(missingPackages(need), error) from error
    importlib.invalidate_caches()
    if missingPackages(need):
        raise _failure(missingPackages(need), _("restart Slicer and try again"))


class PackageInstaller:
    """Installs packages when the user agrees.

    Slicer reacts to the user while packages are installed, so that a button can be clicked again: then nothing happens.

    Args:
        installed: called after an installation.
    """

    def __init__(self, installed: Callable[[], None]):
        self._installed = installed
        self._busy = False

    def ensure(self, need: Need, tell: Callable[[str], None]) -> bool:
        """Ask for consent and install what is missing.

        Args:
            need: what an action needs.
            tell: shows a line of text to the user.

        Returns:
            Whether all packages are there now.
        """
        if self._busy:
            return False
        missing = missingPackages(need)
        if not missing:
            return True
        self._busy = True
        try:
            if TORCH in missing:
                _checkTorchCanBeInstalled()
            size = _("a gigabyte or more") if TORCH in missing else need.size
            if not slicer.util.confirmOkCancelDisplay(
                _("For this, {packages} must be downloaded and installed once ({size}). This may take minutes.").format(
                    packages=", ".join(missing), size=size
                ),
                _("Install packages"),
            ):
                return False
            tell(_("Installing {packages}...").format(packages=", ".join(missing)))
            install(need)
        except (InputError, RunFailed) as error:
            tell(str(error))
            return False
        finally:
            self._busy = False
        tell("")
        self._installed()
        return True


def _isInstalled(package: str) -> bool:
    name, least = re.match(r"(\w+)>=([\d.]+)", package).groups()
    if importlib.util.find_spec(name) is None:
        return False
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return True  # it is there, and nobody says which version it is
    return _numbers(version) >= _numbers(least)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def _checkTorchCanBeInstalled() -> None:
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        raise InputError(
            _(
                "This Slicer cannot run models: they need {torch}, and for Macs with an Intel processor there is none."
            ).format(torch=TORCH)
        )
    if importlib.util.find_spec("PyTorchUtils") is None:
        raise InputError(_("Install the PyTorch extension in the Extensions Manager, then restart Slicer."))


def _failure(missing: list[str], cause: object) -> RunFailed:
    return RunFailed(
        _(
            "{packages} could not be installed ({cause}): check the internet connection and the free disk space, then "
            "try again. The Python console says more."
        ).format(packages=", ".join(missing), cause=cause)
    )
