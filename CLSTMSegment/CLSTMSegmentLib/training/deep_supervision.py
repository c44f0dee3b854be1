"""Deep supervision: the coarse stages of the decoder are trained on the labels, too."""

from torch import Tensor, nn
from torch.nn import functional

from ..network.options import NetworkOptions
from ..network.unet import OutConv

WEIGHTS = (0.25, 0.5)
"""Weights of the losses of the coarse stages, the coarsest first; that of the finest stage is 1."""


class SupervisionHeads(nn.Module):
    """A 1x1x1 convolution from the features of each coarse stage of the decoder to class logits.

    They exist during a training only. Source: Lee et al. 2015, "Deeply-supervised nets".
    """

    def __init__(self, options: NetworkOptions):
        super().__init__()
        width, classes = options.width, options.classes
        self.convolutions = nn.ModuleList([OutConv(4 * width, classes), OutConv(2 * width, classes)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the logits (B, classes, D, H, W) of the coarse stages, at the size of the finest one.

        Args:
            features: features of all stages of the decoder, see `CLSTMUNet4D.decoder_features`.
        """
        size = features[-1].shape[2:]
        coarse = (conv(x) for conv, x in zip(self.convolutions, features, strict=False))
        return [functional.interpolate(logits, size, mode="trilinear") for logits in coarse]
