"""A model of two stages that finds what is bright, and frames for it."""

import numpy as np
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.model.description import LOCATOR_PREFIX, Locator, Model
from CLSTMSegmentLib.model.rules import GeometryRule, IntensityRule
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from conftest import smallModel

LIMITS = {"locator": 0.8, "network": 0.4}
"""The brightness from which each network finds a structure."""


def threshold_weights(options, limit):
    """Return weights of a network that finds its first segment where the image is brighter than a limit."""
    network = CLSTMUNet4D(options).eval()
    middle = tuple(n // 2 for n in options.kernels[0])
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.weight.fill_(1)
        for block in (network.inc, network.up3.conv):
            for conv in (block.double_conv[0], block.double_conv[3]):
                conv.weight[(0, 0, *middle)] = 1
        network.outc.conv.weight[1, 0] = 100
        network.outc.conv.bias[1:] = torch.tensor([-100 * limit, -100.0])
    return network.state_dict()


def two_stage_model():
    """A model that finds what is brighter than 0.4, in the box around what is brighter than 0.8 and 16 mm."""
    small = smallModel()
    options = NetworkOptions(classes=3, width=2, last_stage="none", poolings=((1, 2, 2),) * 3)
    coarse = GeometryRule(small.geometry.axes, "thickest", (None, 4.0, 4.0), smallest=(1, 32, 32))
    fine = GeometryRule(small.geometry.axes, "thickest", (None, 2.0, 2.0), smallest=(1, 32, 32))
    own, locating = (threshold_weights(options, LIMITS[name]) for name in ("network", "locator"))
    return Model(
        "two-stages",
        "Two stages",
        small.segments,
        options,
        "softmax",
        geometry=fine,
        intensity=IntensityRule("min-max"),
        locator=Locator(options, coarse, 16.0),
        weights=own | {f"{LOCATOR_PREFIX}{key}": value for key, value in locating.items()},
    )


def chest(heart=(60, 60), brightness=1.0, seed=0):
    """Return a frame of 10 slices with a bright disk (the heart) and, far from it, a dimmer one (the stomach)."""
    y, x = np.mgrid[:120, :120]
    image = np.random.default_rng(seed).uniform(0, 0.1, (10, 120, 120))
    image[2:8, np.hypot(y - heart[0], x - heart[1]) < 12] = brightness
    image[:, np.hypot(y - 15, x - 100) < 10] = 0.6
    image[0, 101, 21] = 1  # one voxel, too small to be found, gives every frame the same scale
    frame = sitk.GetImageFromArray((1000 * image).astype(np.int16))
    frame.SetSpacing((2.0, 2.0, 9.0))
    return Frame(frame, str(seed))
