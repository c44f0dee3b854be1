"""Attributes that hold JSON, in a scene that was damaged or changed by hand."""

import json

import pytest
from CLSTMSegmentLib.scene.frame_reviews import frameReviews
from CLSTMSegmentLib.scene.made_frames import drawnFrames, madeFrames, rememberedFrames
from CLSTMSegmentLib.scene.volumes_plot import volumesChart
from CLSTMSegmentLib.scene.volumes_table import textsIn

from scene.segmentations import finishedOutput


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 100_000,
        "5",
        "null",
        '["model", "0123", 5]',
        '["model", 5, []]',
        '["model", "0123", [[1.0], [2.0, 3.0]]]',
        '["model", "0123", [[["a"]]]]',
        f'["model", "0123", [[[1{"0" * 400}]]]]',
    ],
    ids=lambda text: text[:30],
)
def test_damaged_attribute_is_taken_for_a_missing_one_by_all_that_read_it(sequenceNode, phantom, text):
    output = finishedOutput(sequenceNode, phantom)
    output.publish()
    chartNode = volumesChart(output.tableNode, output.curve, "Small")
    node = output.sequenceNode
    damaged = [(node, "reviews"), (output.tableNode, "segments"), (chartNode, "set")]
    for one, name in [*damaged, *((node.GetNthDataNode(n), "made") for n in range(6))]:
        one.SetAttribute(f"CLSTMSegment.{name}", text)

    volumesChart(output.tableNode, output.curve, "Other")

    assert frameReviews(node) == {}
    assert (madeFrames(node), rememberedFrames(node)) == ({}, set())
    assert drawnFrames(node) == output.curve.index.values
    assert chartNode.GetTitle() == "Other"
    assert textsIn(output.tableNode, "CLSTMSegment.segments") == []


def test_grid_of_texts_is_no_grid(sequenceNode, phantom):
    node = finishedOutput(sequenceNode, phantom).publish()
    for n in range(6):
        maker, voxels, grids = json.loads(node.GetNthDataNode(n).GetAttribute("CLSTMSegment.made"))
        texts = [[[str(one) for one in row] for row in grid] for grid in grids]
        node.GetNthDataNode(n).SetAttribute("CLSTMSegment.made", json.dumps([maker, voxels, texts]))

    assert (madeFrames(node), rememberedFrames(node)) == ({}, set())


def test_mark_that_is_unknown_does_not_remove_the_others(sequenceNode):
    sequenceNode.SetAttribute("CLSTMSegment.reviews", json.dumps({"0": "good", "1": "perhaps", "2": ["bad"]}))

    assert frameReviews(sequenceNode) == {"0": "good"}
