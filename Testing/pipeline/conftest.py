"""What the tests of the pipeline share: the phantom as a file, a run over it, and a cohort."""

import pytest
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.pipeline.result_files import Outputs
from CLSTMSegmentLib.pipeline.segment_to_files import segment_to_files

from pipeline.cohort_processes import COUNT


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


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """A folder of twelve phantom hearts."""
    folder = tmp_path_factory.mktemp("cohort")
    for seed in range(COUNT):
        frames, _ = heart_sequence(seed, 6, (8, 48, 48), (8.0, 4.0, 4.0))
        index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
        write_sequence(folder / f"heart {seed:02}.seq.nrrd", index, [frame.image for frame in frames])
    return folder


@pytest.fixture(scope="session")
def alone(inputs, bundle, tmp_path_factory):
    """Content of each label file of single runs, by its name."""
    folder, contents = tmp_path_factory.mktemp("alone"), {}
    for path in inputs.iterdir():
        segment_to_files(RunSettings(str(bundle), device="cpu"), path, Outputs(folder / path.name))
        contents[path.name] = (folder / path.name).read_bytes()
    return contents
