"""A trained network made ready to run: the same function, faster, and no longer trainable."""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import CLSTMUNet4D, DoubleConv


class OneDNNConv3d(nn.Conv3d):
    """A convolution that on a CPU goes to oneDNN whatever the size of its input.

    PyTorch itself does so only for more than one image at a time or for large ones, and takes a
    several times slower way for what streaming needs: one frame, at 1/2 to 1/8 of its resolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_cpu or x.dtype != torch.float32:
            return super().forward(x)
        return torch.mkldnn_convolution(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )


def ready_to_run(network: CLSTMUNet4D, device: torch.device) -> CLSTMUNet4D:
    """The network, changed in place: batch norms folded into the convolutions before them, on its device."""
    for module in list(network.modules()):
        if isinstance(module, DoubleConv):
            conv1, norm1, relu1, conv2, norm2, relu2 = module.double_conv
            module.double_conv = nn.Sequential(
                fuse_conv_bn_eval(conv1, norm1), relu1, fuse_conv_bn_eval(conv2, norm2), relu2
            )
    if torch.backends.mkldnn.is_available():
        for module in list(network.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.Conv3d):
                    setattr(module, name, _by_one_dnn(child))
    return network.to(device, memory_format=torch.channels_last_3d)


def _by_one_dnn(conv: nn.Conv3d) -> OneDNNConv3d:
    fast = OneDNNConv3d(
        conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding, bias=conv.bias is not None
    )
    fast.load_state_dict(conv.state_dict())
    return fast.eval()
