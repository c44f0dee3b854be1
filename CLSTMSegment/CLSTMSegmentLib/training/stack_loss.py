"""The loss of a batch of training stacks, and whether mixed precision gives its gradients."""

import copy

import torch

from ..core.boxes import Shape
from ..network.unet import CLSTMUNet4D
from .deep_supervision import WEIGHTS, SupervisionHeads
from .marginal_loss import marginal_loss
from .sparse_labels import UNKNOWN

LEAST_COSINE = 0.9
"""Between the gradients of a weight in mixed precision and in float32; rounding alone leaves 0.99."""


def stack_loss(
    network: CLSTMUNet4D,
    images: torch.Tensor,
    allowed: torch.Tensor,
    frames: int,
    bfloat16: bool = False,
    heads: SupervisionHeads | None = None,
) -> torch.Tensor:
    """Return the marginal loss of a batch of stacks, over their annotated frames.

    Args:
        images: float32 (B, T, D, H, W) in [0, 1].
        allowed: uint8 bit sets (B, T, D, H, W), see `sparse_labels`.
        frames: number of frames at the end of the stacks through which gradients flow. Those before only fill the
            recurrent state (truncated back-propagation through time).
        bfloat16: whether to compute in mixed precision.
        heads: where given, the losses of the decoder's coarse stages are added; see `deep_supervision`.
    """
    state, known = None, []
    logits: list[list[torch.Tensor]] = []  # of each annotated frame: of the finest stage, then of the coarse ones
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        for t, frame in enumerate(images.unbind(1)):
            frame, frame_allowed = frame[:, None], allowed[:, t]
            if t < images.shape[1] - frames:
                with torch.no_grad():
                    state = network.update_state(frame, state)
            elif (frame_allowed == UNKNOWN).all():
                state = network.update_state(frame, state)
            else:
                features, state = network.decoder_features(frame, state)
                logits.append([network.outc(features[-1]), *(heads(features) if heads is not None else ())])
                known.append(frame_allowed)
    finest, *coarse = (marginal_loss(torch.cat(stage), torch.cat(known)) for stage in zip(*logits, strict=True))
    return finest + sum(weight * loss for weight, loss in zip(WEIGHTS, coarse, strict=False))


def bfloat16_learns(network: CLSTMUNet4D, patches: tuple[Shape, ...], device: torch.device) -> bool:
    """Return whether mixed precision gives the gradients of float32, except for rounding, on patches of these sizes.

    It has to be tried: oneDNN was seen to give weight gradients of 0 for some small tensors (16 channels of
    2 x 6 x 6 voxels) without an error.
    """
    network = copy.deepcopy(network).eval()
    for patch in sorted(set(patches)):
        images = torch.rand((2, 1, *patch), generator=torch.Generator().manual_seed(0)).to(device)
        # each class in some voxels of the image
        allowed = (1 << (images * network.outc.conv.out_channels).long()).to(torch.uint8)
        gradients = []
        for bfloat16 in (False, True):
            network.zero_grad()
            stack_loss(network, images, allowed, 1, bfloat16).backward()
            gradients.append([w.grad.flatten().double() for w in network.parameters() if w.grad is not None])
        for exact, rounded in zip(*gradients, strict=True):
            # written as "not more", since both sides are 0 or not a number where a gradient is lost
            if exact.any() and not exact @ rounded > LEAST_COSINE * exact.norm() * rounded.norm():
                return False
    return True
