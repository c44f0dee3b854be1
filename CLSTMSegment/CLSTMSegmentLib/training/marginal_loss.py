"""A loss that uses only what sparse labels say about each voxel."""

import torch
from torch import Tensor


def marginal_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Return cross entropy plus soft Dice for voxels of which only a set of possible classes is known.

    The cross entropy is -log of the summed probability of the allowed classes, averaged over the voxels about which
    something is known. The Dice terms are 1 - Dice; they count the voxels that are known to belong to the class, or
    known not to (Shi et al. 2021, marginal loss), for every annotated class except background.

    One Dice is computed for each of the N frames alone: in one Dice of the whole batch, small structures would hardly
    count beside large ones. Another one, with half the weight, is computed for each slice that holds the class, so
    that its small slices count as much as the large ones. A class that is not annotated in a frame has no Dice there:
    it would be nearly 0 whatever the network predicts, and the cross entropy already keeps the class off the voxels of
    other classes.

    Args:
        logits: (N, C, D, H, W).
        allowed: (N, D, H, W) uint8 bit sets; `UNKNOWN` voxels do not count.

    Returns:
        Scalar.
    """
    classes = logits.shape[1]
    bits = 1 << torch.arange(classes, device=logits.device)
    may_be = (allowed.long()[:, None] & bits[:, None, None, None]) != 0
    log_p = torch.log_softmax(logits.float(), dim=1)
    known = ~may_be.all(dim=1)
    allowed_log_p = torch.logsumexp(log_p.masked_fill(~may_be, -1e4), dim=1)
    cross_entropy = -(allowed_log_p * known).sum() / known.sum().clamp(min=1)
    single = may_be.sum(dim=1, keepdim=True) == 1
    is_class = (may_be & single)[:, 1:]
    decided = is_class | ~may_be[:, 1:]
    p = log_p[:, 1:].exp() * decided
    # of each slice, (N, classes without background, D)
    overlap, total, voxels = (p * is_class).sum((3, 4)), (p + is_class).sum((3, 4)), is_class.sum((3, 4))
    annotated, slices = voxels.sum(2) > 0, voxels > 0
    if not annotated.any():
        return cross_entropy
    by_frame = (2 * overlap.sum(2) + 1) / (total.sum(2) + 1)
    by_slice = (2 * overlap + 1) / (total + 1)
    return cross_entropy + 1 - by_frame[annotated].mean() + 0.5 * (1 - by_slice[slices].mean())
