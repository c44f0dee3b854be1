"""What the tests of the pipeline share: the phantom as a file, and a run over it."""

import pytest
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence


@pytest.fixture(scope="session")
def cine(tmp_path_factory, phantom):
    """The phantom as a .seq.nrrd."""
    path = tmp_path_factory.mktemp("cine ü") / "cine.seq.nrrd"
    index = SequenceIndex([frame.index_value for frame in phantom[0]], "time", "ms")
    write_sequence(path, index, [frame.image for frame in phantom[0]])
    return path


@pytest.fixture
def settings(bundle):
    """A run with the small model on the CPU."""
    return RunSettings(model=str(bundle), device="cpu")
