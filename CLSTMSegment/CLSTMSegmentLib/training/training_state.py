"""What a training has come to, in memory and in the checkpoint from which it is resumed."""

import io
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..core.atomic_write import write_bytes
from ..core.errors import InputError
from ..core.plain_files import check_plain_file
from ..model.torch_files import DAMAGED, read_torch_file, tensors_in
from ..network.unet import CLSTMUNet4D
from .deep_supervision import SupervisionHeads
from .validation import Score

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class HistoryEntry:
    """How a training stood at a validation.

    Attributes:
        iteration: number of steps done.
        loss: mean since the entry before.
        score: score of the moving average of the weights; None where nothing could be validated.
    """

    iteration: int
    loss: float
    score: Score | None


@dataclass
class TrainingState:
    """All that a training needs to go on.

    Attributes:
        network: as the optimiser left it.
        average: the exponential moving average of its weights.
        heads: the heads of deep supervision.
        optimiser: AdamW. Its first group are the weights of the encoder, its second group all others.
        iteration: number of steps done.
        best_score: score of `best_weights`; None where these were not validated.
        best_weights: state dict of the network to keep, on the CPU; None before there is one.
        history: an entry for each validation.
    """

    network: CLSTMUNet4D
    average: AveragedModel
    heads: SupervisionHeads
    optimiser: torch.optim.Optimizer
    iteration: int = 0
    best_score: Score | None = None
    best_weights: dict[str, torch.Tensor] | None = None
    history: list[HistoryEntry] = field(default_factory=list)

    @classmethod
    def of(cls, network: CLSTMUNet4D, average_decay: float) -> "TrainingState":
        """Return the state of a training that begins with a network."""
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(average_decay), use_buffers=True)
        heads = SupervisionHeads(network.options).to(network.outc.conv.weight.device)
        encoder = [w for name, w in network.named_parameters() if name.startswith(("inc.", "down"))]
        others = [w for name, w in network.named_parameters() if not name.startswith(("inc.", "down"))]
        groups = [{"params": encoder}, {"params": [*others, *heads.parameters()]}]
        return cls(network, average, heads, torch.optim.AdamW(groups, lr=0.0, weight_decay=1e-4))

    def keep_average(self, score: Score | None) -> None:
        """Make the moving average, as it is now, the network to keep."""
        self.best_score = score
        self.best_weights = {key: value.cpu().clone() for key, value in self.average.module.state_dict().items()}

    def write(self, *paths: Path) -> None:
        """Write a checkpoint to one or more files.

        Raises:
            OSError, InputError, StorageError: it cannot be written.
        """
        content = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "heads": self.heads.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iteration,
            "best_score": _numbers(self.best_score),
            "best_weights": self.best_weights,
            "history": [(entry.iteration, entry.loss, _numbers(entry.score)) for entry in self.history],
        }
        buffer = io.BytesIO()  # torch.save to a full disk fails with an error that does not say why
        torch.save(content, buffer)
        for path in paths:
            write_bytes(path, buffer.getbuffer())

    def read(self, path: Path, device: torch.device) -> None:
        """Take over a checkpoint; no code in it is executed.

        Raises:
            InputError: the file is damaged, or belongs to another network.
        """
        check_plain_file(path)
        try:
            content = read_torch_file(path, "give one that a training of the same recipe wrote", device)
            for key in ("network", "average", "heads", "optimiser"):
                getattr(self, key).load_state_dict(content[key])
            self.iteration = int(content["iteration"])
            self.best_score = _score(content["best_score"])
            self.best_weights = content["best_weights"]
            self.history = [HistoryEntry(int(n), float(loss), _score(score)) for n, loss, score in content["history"]]
            self._check()
        except InputError as error:
            raise InputError(f"{path} is damaged, or a checkpoint of another training ({error})") from error
        except DAMAGED as error:
            raise InputError(f"{path} is damaged, or a checkpoint of another training, with another network") from error

    def _check(self) -> None:
        """Raise a ValueError if something cannot come from a training of this network."""
        if self.iteration < 0:
            raise ValueError("a negative number of steps")
        expected = self.average.module.state_dict()
        best = expected if self.best_weights is None else self.best_weights
        if best.keys() != expected.keys() or any(best[key].shape != expected[key].shape for key in expected):
            raise ValueError("the weights to keep are those of another network")
        for weights, moments in self.optimiser.state.items():
            if any(moment.ndim and moment.shape != weights.shape for moment in tensors_in(moments)):
                raise ValueError("the optimiser is that of another network")


def _numbers(score: Score | None) -> tuple[float, float] | None:
    return None if score is None else (score.mean, score.least)


def _score(numbers: tuple[float, float] | None) -> Score | None:
    return None if numbers is None else Score(*map(float, numbers))
