"""What one model learnt, for another with other segments: all but the output layer stays."""

from torch import Tensor

from ..core.segment import Segment
from ..model.description import Model


def adapted(
    weights: dict[str, Tensor], source: Model, fresh: dict[str, Tensor], segments: tuple[Segment, ...]
) -> tuple[dict[str, Tensor], str]:
    """Weights to begin with for a network like the source's, with softmax over background and `segments`.

    Args:
        weights: state dict of the source.
        fresh: state dict of the new network with random weights.

    Returns:
        The weights, and what was kept in words. The output layer keeps background, and the segments
        that the source has by the same name; the published last stage is left out.
    """
    outputs = ("outc.conv.weight", "outc.conv.bias")
    new = {key: weights[key] if key in weights and key not in outputs else value for key, value in fresh.items()}
    names = [segment.name for segment in source.segments]
    rows = {0: 0} if source.activation == "softmax" else {}
    for n, segment in enumerate(segments, 1):
        if source.activation == "softmax" and segment.name in names:
            rows[n] = names.index(segment.name) + 1
    for key in outputs:
        new[key] = fresh[key].clone()
        for row, old in rows.items():
            new[key][row] = weights[key][old]
    kept = [segment.name for n, segment in enumerate(segments, 1) if n in rows]
    learnt = [segment.name for n, segment in enumerate(segments, 1) if n not in rows]
    words = f"began with {source.title}, width {source.network['width']}: its encoder, memory and decoder"
    if any(key.startswith("up4.") for key in weights):
        words += " without the published last stage"
    words += f"; the output for {', '.join(kept)} too" if kept else ""
    return new, words + (f"; the output for {', '.join(learnt)} is new" if learnt else "")
