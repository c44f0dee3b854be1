"""The work of a Dask worker: it receives the model once, and segments one sequence after the other."""

from dataclasses import replace
from pathlib import Path

from distributed import Worker, WorkerPlugin, get_worker
from torch import Tensor

from ..engine.settings import RunSettings
from ..model.bundle import write_bundle
from ..model.description import Model
from ..report.cohort_summary import CohortRow
from .cohort_table import CohortSequence
from .cohort_task import device_of_worker, segment_sequence


class SentModel(WorkerPlugin):
    """A model that every worker, later ones too, writes into its own folder once.

    Args:
        model: the model.
        state_dict: weights of the model.
        digest: see `model.bundle.model_digest`; it names the folder.
    """

    def __init__(self, model: Model, state_dict: dict[str, Tensor], digest: str):
        self._model = replace(model, weights=None)
        self._state_dict = state_dict
        self._digest = digest

    def setup(self, worker: Worker) -> None:
        """Write the model; Dask calls this on every worker."""
        folder = _model_folder(worker, self._digest)
        if not folder.exists():
            write_bundle(self._model, self._state_dict, folder)


def segment_on_worker(sequence: CohortSequence, settings: RunSettings, model_digest: str) -> CohortRow:
    """Segment one sequence with the model that was sent to this worker; see `cohort_task.segment_sequence`."""
    worker = get_worker()
    device = settings.device
    if isinstance(worker.name, int):  # the workers of one computer have numbers as names
        device = device_of_worker(worker.name, device)
    folder = _model_folder(worker, model_digest)
    return segment_sequence(sequence, replace(settings, model=str(folder), device=device), model_digest)


def _model_folder(worker: Worker, digest: str) -> Path:
    return Path(worker.local_directory) / "models" / digest
