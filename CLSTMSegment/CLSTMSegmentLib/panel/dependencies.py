"""Python packages that a run needs and Slicer does not bring: installed on the first run, with the user's consent."""

import importlib.util
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"


def missingPackages() -> list[str]:
    """Names of the packages that are not installed; nothing is imported to find out."""
    return [name for name in ("torch", "safetensors") if importlib.util.find_spec(name) is None]


def installMissing() -> bool:
    """Ask for consent and install what is missing.

    Returns:
        Whether all is there now.
    """
    missing = missingPackages()
    if not missing:
        return True
    if "torch" in missing and importlib.util.find_spec("PyTorchUtils") is None:
        slicer.util.errorDisplay(_("Install the PyTorch extension in the Extensions Manager, then restart Slicer."))
        return False
    size = _("a gigabyte or more") if "torch" in missing else _("less than a megabyte")
    if not slicer.util.confirmOkCancelDisplay(
        _("To segment, {packages} must be downloaded and installed once ({size}). This may take minutes.").format(
            packages=", ".join(missing), size=size
        ),
        _("Install packages"),
    ):
        return False
    try:
        if "torch" in missing:
            import PyTorchUtils  # of the PyTorch extension, which chooses the build for this computer's GPU

            PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False)
        if "safetensors" in missing:
            slicer.util.pip_install(["-r", str(REQUIREMENTS)])
    except CalledProcessError as error:
        slicer.util.errorDisplay(
            _(
                "{packages} could not be installed (exit status {status}): check the internet connection and the free "
                "disk space, then try again. The Python console says more."
            ).format(packages=", ".join(missingPackages()), status=error.returncode)
        )
        return False
    importlib.invalidate_caches()
    return not missingPackages()
