"""The LSTM cells, compared with that of PyTorch and with each other."""

import pytest
import torch
from CLSTMSegmentLib.network.cells import CLSTM3D, CLSTMCell3D, ConvLSTMCell, LSTMCell


def test_linear_cell_equals_torch_lstm_cell_with_its_gates_reordered():
    torch.manual_seed(0)
    theirs = torch.nn.LSTMCell(5, 7)
    ours = LSTMCell(5, 7)
    i, f, g, o = range(4)  # PyTorch's order; ours is i, f, o, g
    with torch.no_grad():
        weights = torch.cat([theirs.weight_ih, theirs.weight_hh], dim=1).reshape(4, 7, 12)
        ours.linear.weight.copy_(weights[[i, f, o, g]].reshape(28, 12))
        ours.linear.bias.copy_((theirs.bias_ih + theirs.bias_hh).reshape(4, 7)[[i, f, o, g]].reshape(28))

    state = expected = None
    for x in torch.randn(4, 3, 5):
        state, expected = ours(x, state), theirs(x, expected)

        torch.testing.assert_close(state, expected, atol=1e-6, rtol=0)


def test_2d_cell_on_one_pixel_equals_the_linear_cell():
    torch.manual_seed(1)
    linear, conv = LSTMCell(4, 6), ConvLSTMCell(4, 6, kernel_size=3)
    with torch.no_grad():
        linear.linear.weight.copy_(conv.conv.weight[:, :, 1, 1])
        linear.linear.bias.copy_(conv.conv.bias)
    x, h, c = torch.randn(2, 4), torch.randn(2, 6), torch.randn(2, 6)

    result = conv(x[..., None, None], (h[..., None, None], c[..., None, None]))

    expected = linear(x, (h, c))
    torch.testing.assert_close([tensor[..., 0, 0] for tensor in result], list(expected), atol=1e-6, rtol=0)


def test_3d_cell_on_one_slice_equals_the_2d_cell_with_its_middle_kernel_slice():
    torch.manual_seed(2)
    flat, deep = ConvLSTMCell(3, 5), CLSTMCell3D(3, 5)
    with torch.no_grad():
        flat.conv.weight.copy_(deep.conv.weight[:, :, 1])
        flat.conv.bias.copy_(deep.conv.bias)
    x, h, c = torch.randn(2, 3, 9, 8), torch.randn(2, 5, 9, 8), torch.randn(2, 5, 9, 8)

    result = deep(x[:, :, None], (h[:, :, None], c[:, :, None]))

    expected = flat(x, (h, c))
    torch.testing.assert_close([tensor[:, :, 0] for tensor in result], list(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("cell", "shape"),
    [(LSTMCell(2, 3), ()), (ConvLSTMCell(2, 3), (4, 5)), (CLSTMCell3D(2, 3), (3, 4, 5))],
)
def test_no_state_is_a_state_of_zeros(cell, shape):
    torch.manual_seed(3)
    x, zeros = torch.randn(2, 2, *shape), torch.zeros(2, 3, *shape)

    torch.testing.assert_close(cell(x), cell(x, (zeros, zeros)), atol=0, rtol=0)


def test_layers_over_time_are_cells_on_top_of_each_other():
    torch.manual_seed(4)
    layers = CLSTM3D(2, 3, layers=2)
    stack = torch.randn(1, 4, 2, 3, 4, 5)

    output, states = layers(stack)

    lower = upper = None
    for t in range(4):
        lower = layers.lstm_cells[0](stack[:, t], lower)
        upper = layers.lstm_cells[1](lower[0], upper)
        torch.testing.assert_close(output[:, t], upper[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(states, [lower, upper], atol=1e-6, rtol=0)


def test_layers_give_the_same_with_time_as_the_first_axis():
    torch.manual_seed(4)
    batch_first, time_first = CLSTM3D(2, 3, layers=2), CLSTM3D(2, 3, layers=2, batch_first=False)
    time_first.load_state_dict(batch_first.state_dict())
    stack = torch.randn(1, 4, 2, 3, 4, 5)

    output, _ = time_first(stack.transpose(0, 1))

    torch.testing.assert_close(output.transpose(0, 1), batch_first(stack)[0], atol=0, rtol=0)
