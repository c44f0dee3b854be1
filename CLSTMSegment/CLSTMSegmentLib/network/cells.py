"""LSTM cells with linear gates, 2D and 3D convolutional gates, and layers of the 3D cell that run over time."""

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""(h, c): hidden state and cell state, each (B, hidden, *spatial).

c is float32 where x is of half precision, in which rounding errors would add up over time.
"""


class _GatedCell(nn.Module):
    """The LSTM equations that all cells share. A subclass computes the gates from cat[x, h].

    Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; with
    convolutional gates Shi et al. 2015, without peepholes.
    """

    hidden_channels: int

    def gates(self, stacked: Tensor) -> Tensor:
        """Return the gates i, f, o and the candidate g, before their activations.

        Args:
            stacked: x and h, concatenated: (B, in_channels + hidden_channels, *spatial).

        Returns:
            (B, 4 * hidden_channels, *spatial).
        """
        raise NotImplementedError

    def forward(self, x: Tensor, state: State | None = None) -> State:
        """Compute one time step.

        Args:
            x: (B, in_channels, *spatial).
            state: (h, c) of the previous step; None for zeros.

        Returns:
            (h, c), each (B, hidden_channels, *spatial).
        """
        if state is None:
            zeros = x.new_zeros((x.shape[0], self.hidden_channels, *x.shape[2:]))
            state = (zeros, zeros.to(torch.promote_types(x.dtype, torch.float32)))
        h, c = state
        gates, exact = self.gates(torch.cat([x, h], dim=1)), c.dtype
        input_gate, forget_gate, output_gate, candidate = gates.chunk(4, dim=1)
        kept = torch.sigmoid(forget_gate.to(exact)) * c
        c = kept + torch.sigmoid(input_gate.to(exact)) * torch.tanh(candidate.to(exact))
        return (torch.sigmoid(output_gate.to(exact)) * torch.tanh(c)).to(x.dtype), c


class LSTMCell(_GatedCell):
    """LSTM cell with one linear map for all four gates; x is (batch, features)."""

    def __init__(self, in_channels: int, hidden_channels: int, bias: bool = True):
        super().__init__()
        self.hidden_channels = hidden_channels
        self.linear = nn.Linear(in_channels + hidden_channels, 4 * hidden_channels, bias=bias)

    def gates(self, stacked: Tensor) -> Tensor:
        return self.linear(stacked)


class ConvLSTMCell(_GatedCell):
    """LSTM cell with one 2D convolution for all four gates; x is (B, C, H, W)."""

    convolution = nn.Conv2d

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int | tuple[int, ...] = 3, bias: bool = True
    ):
        super().__init__()
        self.hidden_channels = hidden_channels
        padding = kernel_size // 2 if isinstance(kernel_size, int) else tuple(n // 2 for n in kernel_size)
        self.conv = self.convolution(
            in_channels + hidden_channels, 4 * hidden_channels, kernel_size, padding=padding, bias=bias
        )

    def gates(self, stacked: Tensor) -> Tensor:
        return self.conv(stacked)


class CLSTMCell3D(ConvLSTMCell):
    """LSTM cell with one 3D convolution for all four gates; x is (B, C, D, H, W)."""

    convolution = nn.Conv3d


class CLSTM3D(nn.Module):
    """Layers of `CLSTMCell3D`, each reading the hidden states of the layer below, over time.

    Args:
        in_channels: channels of the input.
        hidden_channels: channels of every layer's hidden state.
        layers: number of cells on top of each other.
        kernel_size: size (D, H, W) of the kernel, odd; one number for a cubic kernel.
        bias: whether the convolutions have a bias.
        batch_first: True for stacks (B, T, C, D, H, W), False for (T, B, C, D, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        layers: int = 1,
        kernel_size: int | tuple[int, int, int] = 3,
        bias: bool = True,
        batch_first: bool = True,
    ):
        super().__init__()
        self.batch_first = batch_first
        self.lstm_cells = nn.ModuleList(
            CLSTMCell3D(hidden_channels if k else in_channels, hidden_channels, kernel_size, bias)
            for k in range(layers)
        )

    def step(self, x: Tensor, states: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Compute one time step through all layers.

        Args:
            x: (B, C, D, H, W).
            states: (h, c) of each layer after the previous step; None for zeros.

        Returns:
            h of the top layer, (B, hidden_channels, D, H, W), and the new states.
        """
        new_states = []
        for k, cell in enumerate(self.lstm_cells):
            h, c = cell(x, states[k] if states is not None else None)
            new_states.append((h, c))
            x = h
        return x, new_states

    def forward(self, stack: Tensor, states: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Compute all time steps of a stack.

        Args:
            stack: (B, T, C, D, H, W), or (T, B, C, D, H, W) without `batch_first`.
            states: (h, c) of each layer before the first step; None for zeros.

        Returns:
            h of the top layer after every step, with batch and time on the same axes as in the input, and the states
            after the last step.
        """
        time_axis = 1 if self.batch_first else 0
        outputs = []
        for x in stack.unbind(time_axis):
            h, states = self.step(x, states)
            outputs.append(h)
        return torch.stack(outputs, dim=time_axis), states
