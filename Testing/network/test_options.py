"""The shape of a network: sensible values only."""

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.network.options import NetworkOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be a whole number from 1 to 1024"),
        ({"width": 10**9}, "width must be a whole number from 1 to 1024"),
        ({"classes": 2.5}, "classes must be a whole number from 1 to 255"),
        ({"lstm_layers": True}, "lstm_layers must be a whole number"),
        ({"lstm_kernel_size": 4}, "lstm_kernel_size must be an odd number up to 15, or three, not 4"),
        ({"lstm_kernel_size": (1, 3)}, "lstm_kernel_size must be an odd number up to 15, or three"),
        ({"last_stage": "first"}, "last_stage must be one of published, none"),
        ({"align_corners": 1}, "align_corners must be true or false"),
        ({"kernels": ((3, 3, 3),) * 3}, "kernels must be four times three of 1, 3, 5 and 7"),
        ({"kernels": ((1, 2, 3),) * 4}, "kernels must be four times three of 1, 3, 5 and 7"),
        ({"poolings": ((2, 2, 4),) * 3}, "poolings must be three times three of 1 and 2"),
        ({"poolings": 2}, "poolings must be three times three of 1 and 2"),
        (
            {"poolings": ((1, 2, 2),) * 3, "last_stage": "published"},
            "the published last stage needs kernels of 3 x 3 x 3",
        ),
        ({"conv_bias": "yes"}, "conv_bias must be true or false"),
    ],
)
def test_value_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        NetworkOptions(**options)


def test_strides_are_the_product_of_the_poolings():
    options = NetworkOptions(last_stage="none", poolings=((1, 2, 2), (2, 2, 2), (1, 1, 2)))

    assert options.strides == (2, 4, 8)
    assert NetworkOptions().strides == (8, 8, 8)
