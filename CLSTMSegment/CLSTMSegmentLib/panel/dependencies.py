"""Python packages that a run needs and Slicer does not bring: installed on the first run, with the user's consent."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


@dataclass(frozen=True)
class Need:
    """What an action needs: packages beside PyTorch, the file that says which versions, and their size in words."""

    packages: tuple[str, ...]
    requirements: Path
    size: str


TO_SEGMENT = Need(("safetensors",), RESOURCES / "requirements.txt", _("less than a megabyte"))
TO_TEACH = Need(("safetensors", "monai", "tqdm"), RESOURCES / "requirements-teach.txt", _("two megabytes"))


def missingPackages(need: Need = TO_SEGMENT) -> list[str]:
    """Names of the packages that are not installed; nothing is imported to find out."""
    return [name for name in ("torch", *need.packages) if importlib.util.find_spec(name) is None]


def installMissing(need: Need = TO_SEGMENT) -> bool:
    """Ask for consent and install what is missing.

    Returns:
        Whether all is there now.
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
            import PyTorchUtils  # of the PyTorch extension, which chooses the build for this computer's GPU

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
