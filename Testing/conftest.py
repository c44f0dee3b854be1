"""Fixtures and helpers of all tests: a small phantom, small models, and the folder of real hearts."""

import functools
import os
import signal
import sys
import tempfile
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # The processes of a parallel run share the cores, not their temporary folders, in which tests look for leftovers.
    # Both are set before torch is imported, and for the processes that the tests start.
    os.environ["OMP_NUM_THREADS"] = "1"
    _temporary = tempfile.TemporaryDirectory(prefix="clstmsegment-test-")
    os.environ["TMPDIR"] = os.environ["TEMP"] = os.environ["TMP"] = _temporary.name
    tempfile.tempdir = None

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.model.bundle import MODELS_FOLDER, write_bundle
from CLSTMSegmentLib.model.description import Model
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.phantoms.heart import HEART_AXES, heart_sequence

REPOSITORY = Path(__file__).resolve().parents[1]


def smallModel(**changes):
    """Return a model of two segments with fixed random weights and width 2, which runs in milliseconds."""
    model = {
        "name": "small",
        "title": "Small",
        "segments": (
            Segment("inner", "Inner", (1.0, 0.0, 0.0), {"type": ["SCT", "87878005", "Left ventricle"]}),
            Segment("outer", "Outer", (0.0, 1.0, 0.0)),
        ),
        "network": NetworkOptions(classes=3, width=2, last_stage="none"),
        "activation": "softmax",
        "geometry": GeometryRule(HEART_AXES, "thickest", (8.0, 4.0, 4.0)),
    } | changes
    return Model(**model, weights=randomWeights(model["network"]))


@functools.cache
def randomWeights(network):
    """Return fixed random weights, with batch statistics and an output bias by which every class occurs."""
    torch.manual_seed(0)
    net = CLSTMUNet4D(network)
    with torch.no_grad():
        stack = torch.rand(1, 1, 1, 16, 64, 64) ** 3
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.momentum = 1.0  # so that one pass gives the statistics
        net(stack)
        net.eval().outc.conv.weight.mul_(10)
        net.outc.conv.bias.zero_().sub_(net(stack).mean((0, 1, 3, 4, 5)))
    return net.state_dict()


@pytest.fixture
def model():
    return smallModel()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The folder of the small model's bundle."""
    model = smallModel()
    folder = tmp_path_factory.mktemp("models") / "small"
    write_bundle(model, model.weights, folder)
    return folder


@pytest.fixture(scope="session")
def phantom():
    """Frames and true labels of a small, oblique, beating heart: 6 frames of 64 x 64 x 8 voxels."""
    return heart_sequence(3, frames=6, shape=(8, 64, 64), spacing=(8.0, 3.0, 3.0))


@pytest.fixture(scope="session")
def data():
    """The folder of real hearts: the one that CLSTMSEGMENT_DATA names, or one beside the repository."""
    folder = Path(os.environ.get("CLSTMSEGMENT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "sunnybrook" / "labels.json").is_file():
        pytest.skip(f"the real hearts are not in {folder} (set CLSTMSEGMENT_DATA to where they are)")
    return folder


@pytest.fixture(scope="session")
def bundled():
    """The bundled heart model's name."""
    assert (MODELS_FOLDER / "cardiac-cine-lv" / "weights.safetensors").is_file()
    return "cardiac-cine-lv"


def default_signals():
    """Let this process react to signals as usual, though the one that started it may ignore them."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


AS_USUAL = {} if sys.platform == "win32" else {"preexec_fn": default_signals}
"""Arguments of `subprocess.Popen` for a process to which a test sends signals: `nohup` and `&` of a shell let the tests
ignore some, which the processes that they start would inherit."""


def large_frame():
    """Return noise of 192 x 192 x 24 voxels with the small model's spacing: a step over it takes some hundred MiB."""
    voxels = np.random.default_rng(0).integers(0, 200, (24, 192, 192), np.uint8)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((4.0, 4.0, 8.0))
    return image


def address_space(pid):
    """Return the bytes of address space that a process on Linux has taken."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def few_steps(monkeypatch):
    """Make teaching jobs in this process short; see `shortenTeaching`."""
    shortenTeaching(monkeypatch)


def shortenTeaching(patch):
    """Make every training of a teaching job eight steps long, and new networks narrow, until a patch is undone."""
    # with MONAI, which takes seconds to import
    from CLSTMSegmentLib.teaching import taught_model, teaching_plan
    from CLSTMSegmentLib.training import trainer

    patch.setattr(teaching_plan, "STEPS", (8, 8))
    patch.setattr(taught_model, "WIDTH", {"cpu": 2, "gpu": 2})
    patch.setattr(trainer, "MEASURED_BATCHES", 2)
