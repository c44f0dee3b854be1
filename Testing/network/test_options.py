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
        ({"lstm_kernel_size": 4}, "lstm_kernel_size must be odd"),
        ({"last_stage": "first"}, "last_stage must be one of published, none"),
        ({"align_corners": 1}, "align_corners must be true or false"),
        ({"conv_bias": "yes"}, "conv_bias must be true or false"),
    ],
)
def test_value_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        NetworkOptions(**options)
