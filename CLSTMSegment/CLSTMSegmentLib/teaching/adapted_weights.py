"""Initial weights for a model from a model with other segments: all layers but the output layer are kept."""

from torch import Tensor

from ..core.structure import Segment
from ..model.description import Model

OUTPUT_LAYER = ("outc.conv.weight", "outc.conv.bias")


def adapted_weights(
    source: Model, fresh: dict[str, Tensor], segments: tuple[Segment, ...]
) -> tuple[dict[str, Tensor], str]:
    """Return initial weights for a network like the source's that finds other segments. Its activation is softmax.

    The output layer keeps the channels of background and of the segments that the source has by the same name. The
    last stage of a published checkpoint is dropped.

    Args:
        source: the model to begin with.
        fresh: state dict of the new network with random weights.
        segments: segments of the new network; output channel n is the n-th, and channel 0 is background.

    Returns:
        The weights, and a sentence that says what was kept.
    """
    channels = _kept_channels(source, segments)
    weights = source.build_network().state_dict()
    adapted = {key: weights.get(key, value) for key, value in fresh.items() if key not in OUTPUT_LAYER}
    for key in OUTPUT_LAYER:
        adapted[key] = fresh[key].clone()
        for new, old in channels.items():
            adapted[key][new] = weights[key][old]
    text = f"Began with {source.title}, width {source.network.width}: its encoder, CLSTM and decoder"
    if source.network.last_stage == "published":
        text += " without the last stage of the published checkpoint"
    kept = [segment.name for n, segment in enumerate(segments, 1) if n in channels]
    new = [segment.name for n, segment in enumerate(segments, 1) if n not in channels]
    text += f"; the output for {', '.join(kept)} is kept too" if kept else ""
    text += f"; the output for {', '.join(new)} is new" if new else ""
    return adapted, f"{text}."


def _kept_channels(source: Model, segments: tuple[Segment, ...]) -> dict[int, int]:
    """Return the new output channels that the source has too, each with its number there."""
    if source.activation != "softmax":
        return {}
    names = [segment.name for segment in source.segments]
    same = {n: names.index(segment.name) + 1 for n, segment in enumerate(segments, 1) if segment.name in names}
    return {0: 0} | same
