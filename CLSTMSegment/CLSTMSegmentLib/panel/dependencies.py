"""Python packages that a run needs and Slicer lacks: installed before the first run, if the user agrees."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


@dataclass(frozen=True)
class Need:
    """The packages that an action needs beside PyTorch, the file with their versions, and their size in words."""

    packages: tuple[str, ...]
    requirements: Path
    size: str


TO_SEGMENT = Need(("safetensors",), RESOURCES / "requirements.txt", _("less than a megabyte"))
TO_TEACH = Need(("safetensors", "monai", "tqdm"), RESOURCES / "requirements-teach.txt", _("two megabytes"))


def missingPackages(need: Need = TO_SEGMENT) -> list[str]:
    """Return the names of the packages that are not installed, without importing any."""
    return [name for name in ("torch", *need.packages) if importlib.util.find_spec(name) is None]


def installMissing(need: Need = TO_SEGMENT) -> bool:
    """Ask for consent and install what is missing.

    Returns:
        Whether all packages are installed now.
    """
    missing = missingPackages(need)
    if not missing:
        return True
    if "torch" in missing and importlib.util.find_spec("PyTorchUtils") is None:
        slicer.util.errorDisplay(_("Install the PyTorch extension in the Extensions Manager, then restart Slicer."))
        return False
    size = _("a gigabyte or more") if "torch" in missing else need.size
    if not slicer.util.confirmOkCancelDisplay(
        _("For this, {packages} must be downloaded and installed once ({size}). This may take minutes.").format(
            packages=", ".join(missing), size=size
        ),
        _("Install packages"),
    ):
        return False
    try:
        if "torch" in missing:
            import PyTorchUtils  # from the PyTorch extension, which chooses the build for this computer's GPU

            PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False)
        if any(name != "torch" for name in missing):
            slicer.util.pip_install(["-r", str(need.requirements)])
    except CalledProcessError as error:
        slicer.util.errorDisplay(
            _(
                "{packages} could not be installed (exit status {status}): check the internet connection and the free "
                "disk space, then try again. The Python console says more."
            ).format(packages=", ".join(missingPackages(need)), status=error.returncode)
        )
        return False
    importlib.invalidate_caches()
    return not missingPackages(need)
