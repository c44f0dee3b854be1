"""The trainer: seeded, resumable at any step, and with a result however it ends."""

import csv
import multiprocessing
import os
import signal
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError, StorageError, TrainingDiverged
from CLSTMSegmentLib.core.own_folder import alone_in
from CLSTMSegmentLib.model.bundle import load_model, write_bundle
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.phantoms.heart import HeartPhantom
from CLSTMSegmentLib.training import trainer as trainer_module
from CLSTMSegmentLib.training.phantom_frames import labelled_phantom
from CLSTMSegmentLib.training.recipe import read_recipe
from CLSTMSegmentLib.training.trainer import Trainer
from CLSTMSegmentLib.training.training_rule import Stage, TrainingRule
from CLSTMSegmentLib.training.training_state import TrainingState
from CLSTMSegmentLib.training.training_task import TrainingTask

from training.small_training import CPU, MODEL, RULE, diverging_after, small_recipe, small_task


@pytest.fixture(scope="module")
def task():
    """Eight steps on single frames of phantoms, with a validation after every second one."""
    stage = Stage(8, 1e-3, replace(RULE, frames=1, lead=0))
    validation = labelled_phantom(HeartPhantom(2**31), "validation", MODEL, 1, (8, 24, 24))
    rule = TrainingRule((stage,), validate_every=2, norms_frozen_from=0)
    return TrainingTask(MODEL, [], [validation], rule, HeartPhantom)


class Killed(BaseException):
    """Breaks a training off at once, as the end of its process does."""


def kill_after(iterations):
    """Return a progress callback that breaks the training off after some iterations."""

    def progress(step):
        if step.iteration == iterations:
            raise Killed

    return progress


def train_small(tmp_path, hearts, out, *options):
    """Train on the command line, and return the exit status."""
    recipe = small_recipe(tmp_path, 4)
    arguments = ["train", str(recipe), "--data", str(hearts), "--out", str(tmp_path / out), "--device", "cpu"]
    return main([*arguments, *options])


def weights_in(run):
    return load_model(run / "cardiac-cine-lv").build_network().state_dict()


def logged_iterations(run):
    with (run / "log.csv").open(encoding="utf-8", newline="") as file:
        return [int(row["iteration"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", ["log.csv", "stage-1.pt"])
@pytest.mark.parametrize("resume", [(), ("--resume",)], ids=["", "resume"])
def test_training_writes_over_no_file_of_the_user(name, resume, hearts, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine", encoding="utf-8")

    status = train_small(tmp_path, hearts, "run", *resume)

    assert status == 2
    assert f"{name} exists, and the training would write over it" in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir()] == [(name, b"mine")]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right that users of Windows do not have")
def test_link_to_nothing_in_the_place_of_the_model_is_refused_before_the_training(hearts, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    link = tmp_path / "run" / "cardiac-cine-lv"
    link.symlink_to(tmp_path / "missing")

    status = train_small(tmp_path, hearts, "run")

    assert status == 2
    assert f"{link} exists already" in capsys.readouterr().err
    assert list((tmp_path / "run").iterdir()) == [link]


def test_second_training_in_a_folder_is_refused(hearts, tmp_path, capsys):
    (tmp_path / "run").mkdir()

    with alone_in(tmp_path / "run", "training"):
        status = train_small(tmp_path, hearts, "run")

    assert status == 2
    assert "another training is at work" in capsys.readouterr().err
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no alarm, and sockets without paths")
def test_temporary_folder_with_a_long_path_does_not_stop_the_training(task, tmp_path, monkeypatch):
    long = tmp_path / ("long" * 20) / ("path" * 20)
    long.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.delitem(multiprocessing.current_process()._config, "tempdir", raising=False)

    def too_long(*_):
        raise AssertionError("the first stack has not arrived")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(30)
    try:
        result = Trainer(task, tmp_path / "run", CPU).run()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

    assert result.history[-1].iteration == 8


@pytest.mark.slow
def test_training_interrupted_and_resumed_or_branched_off_is_training_in_one_go(hearts, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train_small(tmp_path, hearts, "whole") == 0
    with pytest.raises(Killed):
        Trainer(small_task(small_recipe(tmp_path, 4), hearts), parts, CPU).run(kill_after(6))

    assert train_small(tmp_path, hearts, "parts", "--resume") == 0
    assert train_small(tmp_path, hearts, "branch", "--start", str(whole / "stage-1.pt")) == 0

    torch.testing.assert_close(weights_in(parts), weights_in(whole), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights_in(tmp_path / "branch"), weights_in(whole))
    assert logged_iterations(parts) == [2, 4, 6, 8, 10, 12]  # three stages
    training = load_model(whole / "cardiac-cine-lv").training
    assert training["trained_on"] == ["SC-HF-I-01"]
    assert training["kept_for_test"] == ["B"]
    assert training["same_heart"]["SCD0000101"] == "SC-HF-I-01"
    assert train_small(tmp_path, hearts, "whole") == 2  # a second training must not overwrite the first
    assert train_small(tmp_path, hearts, "other", "--start", str(tmp_path / "no.pt")) == 2


@pytest.mark.slow
def test_training_can_begin_with_the_weights_of_a_narrower_model(hearts, bundle, tmp_path):
    wide = small_recipe(tmp_path, 4, width=4)
    arguments = ["train", str(wide), "--data", str(hearts), "--out", str(tmp_path / "run"), "--device", "cpu"]
    options = replace(read_recipe(wide).model.network, width=2)
    narrow = CLSTMUNet4D(options).state_dict()
    write_bundle(replace(MODEL, network=options), narrow, tmp_path / "narrow")

    with_biases, without = (main([*arguments, "--initial", str(f)]) for f in (bundle, tmp_path / "narrow"))

    assert (with_biases, without) == (2, 0)
    assert load_model(tmp_path / "run" / "cardiac-cine-lv").training["began_with"] == "small, version 1"


def test_locator_that_cannot_be_one_is_refused_before_the_training(hearts, bundled, tmp_path, capsys):
    recipe = small_recipe(tmp_path, 4)
    recipe.write_text(recipe.read_text(encoding="utf-8") + "\n[locator]\nmargin_mm = 40.0\n", encoding="utf-8")
    other_network = replace(MODEL, network=replace(MODEL.network, width=4))
    write_bundle(other_network, MODEL.build_network().state_dict(), tmp_path / "damaged")
    arguments = ["train", str(recipe), "--data", str(hearts), "--out", str(tmp_path / "run"), "--device", "cpu"]

    for locator, message in ((bundled, "has a locator of its own"), (tmp_path / "damaged", "do not fit the network")):
        assert main([*arguments, "--locator", str(locator)]) == 2
        assert message in capsys.readouterr().err

    assert not (tmp_path / "run").exists()


def test_every_step_is_told_once_and_scored_where_it_ends_with_a_validation(task, tmp_path):
    steps, questions = [], []

    result = Trainer(task, tmp_path, CPU).run(steps.append, lambda: bool(questions.append(True)))

    assert [step.iteration for step in steps] == list(range(1, 9))
    assert len(questions) == 8
    assert [step.iteration for step in steps if step.score is not None] == [2, 4, 6, 8]
    assert [entry.iteration for entry in result.history] == [2, 4, 6, 8] == logged_iterations(tmp_path)
    assert result.score == max((entry.score for entry in result.history), key=lambda score: score.mean)
    assert not result.stopped
    assert result.error is None


def test_finished_training_gives_the_same_result_when_it_is_resumed(task, tmp_path):
    first = Trainer(task, tmp_path, CPU).run()

    again = Trainer(task, tmp_path, CPU).run()

    torch.testing.assert_close(again.network.state_dict(), first.network.state_dict(), atol=0, rtol=0)
    assert again.history == first.history
    assert again.score == first.score


def test_last_network_is_kept_where_the_rule_says_so(task, tmp_path):
    steps = []

    result = Trainer(replace(task, rule=replace(task.rule, keep="last")), tmp_path, CPU).run(steps.append)

    last = steps[-1].network.state_dict()
    torch.testing.assert_close(result.network.state_dict(), last, atol=0, rtol=0)
    assert result.score == result.history[-1].score


def test_stopped_training_is_validated_and_gives_its_network(task, tmp_path):
    steps = []

    result = Trainer(task, tmp_path, CPU).run(steps.append, lambda: len(steps) == 2)

    assert [step.iteration for step in steps] == [1, 2, 3]
    assert result.stopped
    assert result.network is not None
    assert result.history[-1].iteration == 3
    assert result.score is not None


def test_training_stopped_before_its_batch_norms_are_fixed_gives_no_network(task, tmp_path):
    late = replace(task, rule=replace(task.rule, norms_frozen_from=4))

    result = Trainer(late, tmp_path, CPU).run(cancelled=lambda: True)

    assert result.stopped
    assert result.network is None


def test_training_whose_batch_norms_stay_live_ends_with_measured_statistics(task, tmp_path):
    live = replace(task, rule=replace(task.rule, norms_frozen_from=8))

    result = Trainer(live, tmp_path, CPU).run()

    assert np.isfinite(result.score.mean)
    statistics = [value for key, value in result.network.state_dict().items() if "running_mean" in key]
    assert all(value.abs().sum() > 0 for value in statistics)


def test_encoder_learns_as_slowly_as_its_stage_says(task, tmp_path):
    (stage,) = task.rule.stages
    still = replace(task, rule=replace(task.rule, stages=(replace(stage, encoder_rate=0.0),), keep="last"))
    torch.manual_seed(task.rule.seed)
    initial = CLSTMUNet4D(task.model.network).state_dict()

    learnt = Trainer(still, tmp_path, CPU).run().network.state_dict()

    moved = {key for key, value in learnt.items() if key.endswith("weight") and not torch.equal(value, initial[key])}
    assert {key.split(".")[0] for key in moved} == {"clstm", "up1", "up2", "up3", "outc"}


def test_training_that_diverges_keeps_its_best_network(task, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "stack_loss", diverging_after(4))

    result = Trainer(task, tmp_path, CPU).run()

    assert isinstance(result.error, TrainingDiverged)
    assert "no longer a number" in str(result.error)
    assert [entry.iteration for entry in result.history] == [2, 4]
    assert all(torch.isfinite(value).all() for value in result.network.state_dict().values())


def test_training_that_cannot_be_stored_keeps_its_best_network(task, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TrainingState, "write", full)

    result = Trainer(task, tmp_path, CPU).run()

    assert isinstance(result.error, StorageError)
    assert "is the disk full? ([Errno 28] No space left on device)" in str(result.error)
    assert [entry.iteration for entry in result.history] == [2]
    assert result.network is not None


def test_diverged_training_exits_with_1(hearts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trainer_module, "stack_loss", diverging_after(0))

    assert train_small(tmp_path, hearts, "run") == 1
    assert "the loss is no longer a number" in capsys.readouterr().err


def test_damaged_checkpoint_is_refused_by_name(task, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")

    with pytest.raises(InputError, match=r"checkpoint\.pt is damaged, or a checkpoint of another training"):
        Trainer(task, tmp_path, CPU)


class Malicious:
    """An object that makes a folder when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("executed",))


@pytest.fixture(scope="module")
def stage(hearts, tmp_path_factory):
    """The content of a checkpoint of the small recipe, after two steps."""
    folder = tmp_path_factory.mktemp("stage")
    with pytest.raises(Killed):
        Trainer(small_task(small_recipe(folder, 4), hearts), folder, CPU).run(kill_after(3))
    return torch.load(folder / "checkpoint.pt", weights_only=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content | {"iteration": Malicious()}, "loading it could run code"),
        (lambda content: content | {"iteration": -5}, "of another training"),
        (lambda content: content | {"iteration": "many"}, "of another training"),
        (lambda content: content | {"best_weights": {"a": torch.zeros(2)}}, "of another training"),
        (lambda content: content | {"network": {}}, "of another training"),
        (lambda content: content | {"history": [(1, 2)]}, "of another training"),
        (lambda content: content | {"a": [torch.zeros(1).expand(10**5, 10**6)]}, "larger than the file"),
        (lambda content: {"a": torch.zeros(1)}, "of another training"),
        (lambda content: [content], "of another training"),
    ],
)
def test_checkpoint_to_start_from_is_checked_before_anything_is_written(
    change, message, stage, hearts, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    torch.save(change(stage), "hostile.pt")

    status = train_small(tmp_path, hearts, "run", "--start", "hostile.pt")

    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert "weights_only" not in error
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "run").exists()
