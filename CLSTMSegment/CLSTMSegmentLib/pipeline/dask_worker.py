"""The work of a Dask worker: it receives the model once, and segments one sequence after the other."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import torch
from distributed import Worker, WorkerPlugin, get_worker
from torch import Tensor

from ..core.errors import InputError, RunFailed
from ..engine.settings import RunSettings
from ..model.bundle import load_model, write_bundle
from ..model.description import Model
from ..report.cohort_summary import CohortRow
from .cohort_table import CohortSequence
from .segment_to_files import segment_to_files


class SentModel(WorkerPlugin):
    """A model that every worker, later ones too, writes into its own folder once.

    Args:
        state_dict: weights of the model.
        model: the model.

    Attributes:
        digest: SHA-256 of the description and the weights; it names the folder.
    """

    def __init__(self, state_dict: dict[str, Tensor], model: Model):
        self._state_dict = state_dict
        self._model = model
        content = pickle.dumps([repr(model), [(key, value.numpy().tobytes()) for key, value in state_dict.items()]])
        self.digest = hashlib.sha256(content).hexdigest()

    def setup(self, worker: Worker) -> None:
        """Write the model; Dask calls this on every worker."""
        folder = _model_folder(worker, self.digest)
        if not folder.exists():
            write_bundle(self._model, self._state_dict, folder)


def segment_sequence(
    sequence: CohortSequence, settings: RunSettings, digest: str, threads: int | None = None
) -> CohortRow:
    """Segment one sequence on the worker that calls this, unless it is finished.

    Args:
        sequence: the sequence.
        settings: settings of the run; the model that was sent takes the place of theirs.
        digest: `SentModel.digest` of the model.
        threads: number of threads to compute with; None leaves it as it is.

    Returns:
        The result, or the error of a sequence that failed.
    """
    worker = get_worker()
    if threads is not None:
        torch.set_num_threads(threads)
    settings = replace(
        settings, model=str(_model_folder(worker, digest)), device=_device_of(worker.name, settings.device)
    )
    try:
        if sequence.is_finished:  # by a worker that was lost before it could return the row
            return sequence.finished_row(load_model(settings.model).segments)
        return sequence.row(segment_to_files(settings, sequence.input, sequence.outputs))
    except (InputError, RunFailed, MemoryError, OSError) as error:
        return sequence.failed_row(str(error))


def _model_folder(worker: Worker, digest: str) -> Path:
    return Path(worker.local_directory) / "models" / digest


def _device_of(worker_name: object, device: str) -> str:
    """Return the GPU of a worker: the workers of one machine have numbers as names, and share its GPUs evenly."""
    gpus = torch.cuda.device_count()
    if device in ("auto", "cuda") and gpus > 1 and isinstance(worker_name, int):
        return f"cuda:{worker_name % gpus}"
    return device
