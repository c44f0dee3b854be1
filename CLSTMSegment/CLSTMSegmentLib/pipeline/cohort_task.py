"""The task of a worker of a cohort, on this computer or on a cluster: one sequence."""

from ..core.errors import InputError, RunFailed
from ..engine.settings import RunSettings
from ..model.bundle import load_model
from ..report.cohort_summary import CohortRow
from .cohort_table import CohortSequence
from .segment_to_files import segment_to_files


def segment_sequence(sequence: CohortSequence, settings: RunSettings, model_digest: str) -> CohortRow:
    """Segment one sequence, unless it is finished.

    Args:
        sequence: the sequence.
        settings: settings of the run; their model is a folder that this worker can read.
        model_digest: see `model.bundle.model_digest`.

    Returns:
        The result, or the error of a sequence that failed.
    """
    try:
        sequence.check_series()
        # a worker that was lost may have finished it before it could return the row
        row = sequence.finished_row(load_model(settings.model).segments, model_digest, settings)
        return row or sequence.row(segment_to_files(sequence.own_settings(settings), sequence.input, sequence.outputs))
    except (InputError, RunFailed, MemoryError, OSError) as error:
        return sequence.failed_row(str(error) or type(error).__name__)


def device_of_worker(number: int, device: str) -> str:
    """Return the device of one of the workers of a computer, which share its GPUs evenly."""
    import torch  # which takes seconds to import

    gpus = torch.cuda.device_count()
    return f"cuda:{number % gpus}" if device in ("auto", "cuda") and gpus > 1 else device
