"""What README.md says to type works: each of its code blocks is run, on small data."""

import re
import shlex
import shutil

import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.training.configuration import read_configuration
from conftest import REPOSITORY, smallModel
from distributed import LocalCluster
from model import published_state_dict as published
from scene.conftest import addSequence, scene  # noqa: F401

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:^    \S.*\n)+", README, re.MULTILINE)
COMMANDS = [shlex.split(line) for block in BLOCKS for line in block.splitlines()]
TRAINING = """like = "{}"
[training]
validate_every = 1
[[training.stages]]
iterations = 1
learning_rate = 0.001
frames = 1
lead = 0
labelled = 1
batch = 1
patches = [[16, 32, 32]]
phantom_share = 0.0
cine_share = 0.0
animated_share = 0.0
corrupted_share = 0.0
[model.network]
width = 2
"""


@pytest.fixture
def desk(tmp_path, phantom, monkeypatch):
    """A folder with the files that the README names, the current one."""
    import torch

    frames, truth = phantom
    index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
    for path in (tmp_path / "cine.seq.nrrd", tmp_path / "FOLDER" / "one.seq.nrrd"):
        path.parent.mkdir(exist_ok=True)
        write_sequence(path, index, [frame.image for frame in frames])
    (tmp_path / "list.csv").write_text("input\nFOLDER/one.seq.nrrd\n", encoding="utf-8")
    (tmp_path / "labels").mkdir()
    for number in (0, 2, 4):
        labels = sitk.Cast(truth[number] == 1, sitk.sitkUInt8)
        sitk.WriteImage(labels, str(tmp_path / "labels" / f"{number}.nrrd"))
    torch.save(published.state_dict(2, 1), tmp_path / "trained.pth")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(name, *replacements):
    """The README's lines of a command, with what stands in for what a test cannot wait for."""
    lines = [words[1:] for words in COMMANDS if words[0].endswith("clstm-segment") and words[1] == name]
    assert lines, f"README.md shows no {name}"
    for old, new in replacements:
        assert any(old in words for words in lines), f"README.md no longer says {old}"
        lines = [[str(new) if word == old else word for word in words] for words in lines]
    return lines


def test_every_line_to_type_is_tried_here():
    tried = {"segment", "model", "teach", "batch", "train", "evaluate"}
    for words in COMMANDS:
        if words[0] == "make":
            # what these run is tested part by part, or is this very run
            assert words[1] in ("demo", "test", "train")
            assert f"\n{words[1]}:" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        else:
            assert words[0] == ".venv/bin/clstm-segment"
            assert words[1] in tried


def test_models_are_listed_described_and_imported(desk):
    for words in typed("model"):
        assert main(words) == 0, words
    assert (desk / "my-model" / "model.json").is_file()


def test_a_structure_is_taught_and_then_segmented(desk):
    (teach,) = typed("teach", ("8", 0.1))
    assert main([*teach, "--no-check"]) == 0
    for words in typed("segment"):
        assert main(words) == 0, words
    assert all((desk / name).is_file() for name in ("result.seq.mrb", "volumes.csv", "picture.png"))


def test_a_cohort_is_done_here_and_on_a_scheduler(desk):
    model = smallModel()
    write_bundle(model, model.weights, desk / "small")
    here, there = typed("batch")
    assert main([*here, "--model", str(desk / "small")]) == 0
    assert (desk / "results" / "overview.png").is_file()
    shutil.rmtree(desk / "results")
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        named = [cluster.scheduler_address if word.startswith("tcp:") else word for word in there]
        assert main([*named, "--model", str(desk / "small")]) == 0
    assert (desk / "results" / "summary.csv").is_file()


@pytest.mark.slow
def test_a_model_is_trained_and_evaluated(desk, data):
    file = "recipes/cardiac-cine-lv.toml"
    (desk / "one-step.toml").write_text(TRAINING.format((REPOSITORY / file).as_posix()), encoding="utf-8")
    assert read_configuration(desk / "one-step.toml").model.name == "cardiac-cine-lv"
    (train,) = typed("train", (file, "one-step.toml"), ("FOLDER", data))
    assert main(train) == 0
    (evaluate,) = typed("evaluate", ("FOLDER", data))
    assert main([*evaluate, "--phases-only"]) == 0
    assert (desk / "hearts.png").is_file()


def test_the_lines_for_the_python_console_segment_the_sequence(scene, phantom):  # noqa: F811
    addSequence(scene, phantom[0], name="Cine")
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    names = {"slicer": slicer}
    exec(blocks[0], names)  # noqa: S102  what a user would paste
    assert names["segmentationSequence"].GetNumberOfDataNodes() == len(phantom[0])
    assert names["logic"].volumesTableNode.GetNumberOfRows() == len(phantom[0])
