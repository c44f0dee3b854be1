"""A Dask worker's side of a cohort: models sent by their hash, and the GPU that is its own."""

import hashlib
import pickle
from pathlib import Path

import torch
from distributed import Worker, WorkerPlugin, get_worker
from torch import Tensor

from ..model.bundle import write_bundle
from ..model.description import Model


class SentModel(WorkerPlugin):
    """Writes a model into every worker's own folder, under its hash, once; later workers get it, too.

    Attributes:
        digest: SHA-256 of the description and the weights.
    """

    def __init__(self, state_dict: dict[str, Tensor], model: Model):
        self._state_dict = state_dict
        self._model = model
        content = pickle.dumps([repr(model), [(key, value.numpy().tobytes()) for key, value in state_dict.items()]])
        self.digest = hashlib.sha256(content).hexdigest()

    def setup(self, worker: Worker) -> None:
        """Called on every worker."""
        folder = _folder(worker, self.digest)
        if not folder.exists():
            write_bundle(self._model, self._state_dict, folder)


def _folder(worker: Worker, digest: str) -> Path:
    return Path(worker.local_directory) / "models" / digest


def model_folder(digest: str) -> Path:
    """Where the model lies on the worker that asks."""
    return _folder(get_worker(), digest)


def device_of_worker(device: str) -> str:
    """One GPU a worker: those of a machine are named by numbers, and take the GPUs in turn."""
    name, gpus = get_worker().name, torch.cuda.device_count()
    if device in ("auto", "cuda") and gpus > 1 and isinstance(name, int):
        return f"cuda:{name % gpus}"
    return device
