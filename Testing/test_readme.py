"""The lines and code blocks of README.md and of the pages in docs/ are run, on small data."""

import re
import shlex
import socket

import dask
import pytest
import SimpleITK as sitk
import slicer
import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.worker.scheduler import Scheduler, TlsFiles, connected
from conftest import REPOSITORY, smallModel
from distributed import LocalCluster, Security
from model.published_state_dict import random_published_weights
from pipeline.cohort_processes import made_certificates, started
from scene.conftest import scene, sequenceNode  # noqa: F401

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DOCS = {path.stem: path.read_text(encoding="utf-8") for path in (REPOSITORY / "docs").glob("*.md")}
PROGRAM = ".venv/bin/clstm-segment"
CALL = re.compile(r"^    (?:\.venv/bin/)?clstm-segment (.*)", re.MULTILINE)


def lines_to_type(*pages):
    """Return the words of every line to type: a line of pages that is indented by four spaces."""
    lines = [line for page in pages for line in re.findall(r"^    (\S.*)", page, re.MULTILINE)]
    return [shlex.split(line, comments=True) for line in lines]


def calls(*pages):
    """Return the arguments of every call of the program on pages, also where it is called without its folder."""
    lines = [line for page in pages for line in CALL.findall(page)]
    return [shlex.split(line, comments=True) for line in lines]


def typed(name, *replacements, pages=(README,)):
    """Return the lines that call a command, with replacements for words that a test cannot use."""
    lines = [words for words in calls(*pages) if words[0] == name]
    assert lines, f"no page shows {name}"
    for old, new in replacements:
        assert any(old in words for words in lines), f"no line of {name} has the word {old}"
        lines = [[str(new) if word == old else word for word in words] for words in lines]
    return lines


TRAINING = """like = "{}"
[training]
validate_every = 1
norms_frozen_from = 0
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
    """The current folder, with the files that the pages name."""
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
    torch.save(random_published_weights(width=2, classes=1), tmp_path / "trained.pth")
    write_bundle(smallModel(), smallModel().weights, tmp_path / "small")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_of_the_readme_is_run_by_a_test():
    """What the `make` targets run, other tests check part by part."""
    for program, command, *_ in lines_to_type(README):
        if program == "make":
            assert f"\n{command}:" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        else:
            assert program == PROGRAM
            assert command in ("segment", "propagate", "teach", "batch")


def test_every_line_of_the_docs_is_run_by_a_test():
    tested = {
        "command-line": {"segment", "watch"},
        "propagation": {"propagate"},
        "teaching": {"teach", "segment"},
        "cohorts": {"batch"},
        "models": {"model", "train", "evaluate"},
    }

    for name, page in DOCS.items():
        assert {words[0] for words in calls(page)} <= tested.get(name, set()), name


def test_segment(desk):
    lines = typed("segment", pages=(README, DOCS["command-line"]))
    for words in dict.fromkeys(map(tuple, lines)):  # a line that stands on both pages is run once
        assert main(list(words)) == 0, words

    for name in ("result.seq.mrb", "volumes.csv", "picture.png", "half.seq.nrrd", "one.seq.nrrd", "small.nii.gz"):
        assert (desk / name).is_file()


def test_teach_and_segment_with_the_new_model(desk, few_steps):
    teach, again = typed("teach", ("8", 0.1), pages=(README, DOCS["teaching"]))
    (segment,) = typed("segment", pages=(DOCS["teaching"],))

    assert teach == again
    assert main([*teach, "--no-check"]) == 0
    assert main(segment) == 0


def test_propagate(desk):
    for words in typed("propagate", pages=(README, DOCS["propagation"])):
        assert main(words) == 0, words

    assert (desk / "all.seq.nrrd").is_file()


def test_watch(desk, phantom):
    (watch,) = typed("watch", pages=(DOCS["command-line"],))
    (desk / "INCOMING").mkdir()
    sitk.WriteImage(phantom[0][0].image, str(desk / "INCOMING" / "1.nrrd"))

    assert main([*watch, "--stop-after", "1", "--model", str(desk / "small")]) == 0

    assert sorted(path.name for path in (desk / "LABELS").iterdir()) == ["1-labels.nrrd", "volumes.csv"]


def test_batch_on_this_computer(desk):
    (batch,) = typed("batch")

    assert main([*batch, "--model", "small"]) == 0

    assert (desk / "results" / "overview.png").is_file()


def python_blocks(page):
    """Return the Python code blocks of a page."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def test_block_of_the_readme_for_the_python_console(sequenceNode, phantom):  # noqa: F811
    (block,) = python_blocks(README)
    names = {"slicer": slicer}

    exec(block, names)  # noqa: S102  what a user would paste

    assert names["segmentationSequence"].GetNumberOfDataNodes() == len(phantom[0])
    assert names["logic"].volumesTableNode.GetNumberOfRows() == len(phantom[0])


def test_blocks_of_the_page_about_python(sequenceNode, desk, capsys):  # noqa: F811
    names = {"slicer": slicer}

    for block in python_blocks(DOCS["python"]):
        exec(block, names)  # noqa: S102  what a user would paste

    assert names["output"].GetNumberOfDataNodes() == 2
    assert (desk / "labels.seq.nrrd").is_file()
    assert "(64, 64, 8)" in capsys.readouterr().out


def test_models_are_listed_described_and_imported(desk):
    for words in typed("model", pages=(DOCS["models"],)):
        assert main(words) == 0, words

    assert (desk / "my-model" / "model.json").is_file()


def test_batch_on_a_protected_scheduler(desk):
    (here,) = typed("batch")
    first, resumed, with_files = typed("batch", pages=(DOCS["cohorts"],))
    authority, certificate, key = map(str, made_certificates(desk))
    files = {"cert": certificate, "key": key}
    parts = {f"tls_{who}_{what}": files[what] for who in ("scheduler", "worker", "client") for what in files}
    configured = {"distributed.comm.tls.ca-file": authority}
    configured |= {f"distributed.comm.tls.client.{what}": files[what] for what in files}

    assert first == here
    security = Security(require_encryption=True, tls_ca_file=authority, **parts)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, protocol="tls", security=security
    ) as cluster:

        def batch(words):
            words = [cluster.scheduler_address if word.startswith("tls:") else word for word in words]
            return main([*words, "--model", str(desk / "small")])

        assert batch(with_files) == 0
        with dask.config.set(configured):
            assert batch(resumed) == 0

    assert (desk / "results" / "summary.csv").is_file()


def test_cluster_on_which_the_panel_can_run(desk):
    authority, certificate, key = made_certificates(desk)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    replacements = {"8786": port, "tls://name:8786": f"tls://127.0.0.1:{port}"}
    replacements |= {"ca.pem": authority, "cert.pem": certificate, "key.pem": key}
    processes = []
    try:
        for program, *words in lines_to_type(DOCS["remote"]):
            assert program == ".venv/bin/dask"
            arguments = [replacements.get(word, word) for word in words]
            processes.append(started(["dask", *arguments], desk / f"{words[0]}.log"))
        scheduler = Scheduler(f"tls://127.0.0.1:{port}", TlsFiles(authority, certificate, key), patience_s=60)

        with connected(scheduler) as client:
            client.wait_for_workers(1, timeout=60)

        scheduler.check_for_images()
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_train_and_evaluate(desk, data):
    recipes = ("recipes/cardiac-cine-lv-locator.toml", "recipes/cardiac-cine-lv.toml")
    one_step = [(recipe, f"one-step-{number}.toml") for number, recipe in enumerate(recipes)]
    for recipe, name in one_step:
        (desk / name).write_text(TRAINING.format((REPOSITORY / recipe).as_posix()), encoding="utf-8")
    trainings = typed("train", *one_step, ("FOLDER", data), pages=(DOCS["models"],))
    (evaluate,) = typed("evaluate", ("FOLDER", data), pages=(DOCS["models"],))

    assert [main(train) for train in trainings] == [0, 0]
    assert main([*evaluate, "--phases-only"]) == 0

    assert (desk / "hearts.png").is_file()
