"""Runs and teaching jobs that a script lets a Dask cluster do."""

from pathlib import Path

import pytest
from CLSTMSegmentLib.core.errors import Cancelled, InputError, RunFailed
from CLSTMSegmentLib.core.progress import TeachingProgress
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.panel.run_on import checkedScheduler
from CLSTMSegmentLib.scene.annotations import newAnnotation
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.worker.events import Done, Failed
from CLSTMSegmentLib.worker.scheduler import Scheduler, TlsFiles
from CLSTMSegmentLib.worker.work_folder import STOP
from CLSTMSegmentLib.worker.worker_process import RELAY, SEGMENT, TEACH
from scene.segmentations import finishedOutput, segmentedFrames
from scene.test_annotations import blocks, draw
from scene.test_edited_frames import CORRECTION, edit, voxelsOf
from worker.conftest import sharedCluster  # noqa: F401
from worker.remote_cluster import nothing_is_left

import CLSTMSegment
from panel.conftest import FakeWorker, jobFolders, nodeIDs, outputs, report
from panel.test_remote import LOCAL, PROTECTED, runAt


@pytest.fixture
def logic(scene):
    return CLSTMSegment.CLSTMSegmentLogic()


@pytest.fixture
def fakesOfScript(monkeypatch):
    """The fake workers that a script has made, oldest first."""
    made = []

    def make(module, folder, arguments, python):
        made.append(FakeWorker(module, folder, arguments))
        return made[-1]

    monkeypatch.setattr("CLSTMSegmentLib.panel.run_on.WorkerProcess", make)
    return made


def test_script_segments_on_a_cluster(sequence, bundle, logic, sharedCluster):  # noqa: F811
    before, steps = nodeIDs(), []

    def remember(progress):
        assert nodeIDs() == before  # nothing is in the scene before the end
        steps.append(progress)

    settings = {"model": bundle, "device": "cpu", "frames": [0, 2], "runOn": sharedCluster.scheduler}
    outputNode = logic.segment(sequence, progress=remember, **settings)
    with pytest.raises(Cancelled):
        logic.segment(sequence, cancelled=lambda: True, **settings)

    assert outputs() == [outputNode]
    assert outputNode.GetNumberOfDataNodes() == 2
    assert steps
    nothing_is_left(sharedCluster)


def test_output_corrected_during_a_run_on_a_cluster_stays_as_it_is(
    sequence, bundle, logic, certificates, phantom, fakesOfScript, monkeypatch, caplog
):
    mine, turns = finishedOutput(sequence, phantom).publish(), iter([True])

    def poll(worker):
        if not next(turns, False):
            return []
        edit(resolveInput(sequence).browserNode.GetProxyNode(mine), "inner", phantom[0][0].image, CORRECTION)
        report(worker, segmentedFrames(sequence, phantom))
        return [*worker.reported, Done(report=RunReport("cpu"))]

    monkeypatch.setattr(FakeWorker, "poll", poll)
    outputNode = logic.segment(sequence, model=bundle, output=mine, runOn=Scheduler(PROTECTED, certificates))

    assert outputNode is not mine
    assert "was edited meanwhile and stays as it is" in caplog.text
    assert voxelsOf(mine.GetNthDataNode(0), "inner") == 200
    assert logic.volumesTableNode is outputNode.GetNodeReference("CLSTMSegment.volumesTable")
    assert logic.unfinished is None


def test_script_processes_on_a_cluster(sequence, bundle, logic, certificates, fakesOfScript):
    scheduler = Scheduler(PROTECTED, certificates)

    logic.process(sequence, model=bundle, runOn=scheduler).cancel()

    (worker,) = fakesOfScript
    assert (worker.module, *worker.arguments) == (RELAY, SEGMENT, scheduler.to_json())


def test_script_teaches_on_a_cluster(sequence, logic, certificates, tmp_path, phantom, fakesOfScript, monkeypatch):
    annotationNode, scheduler = newAnnotation(resolveInput(sequence), "Drawn"), Scheduler(PROTECTED, certificates)
    draw(annotationNode, 0, {"Valve": blocks(phantom[0][0])[0]}, phantom[0][0])
    commands, steps = [], []
    step = TeachingProgress(1, 1, 1, 1, 0.5, None, None)

    def poll(self):
        commands.append(self.folder.command())
        return [step, Done(model_folder=str(tmp_path / "valve"))]

    monkeypatch.setattr(FakeWorker, "poll", poll)
    arguments = {"progress": steps.append, "cancelled": lambda: True, "runOn": scheduler}
    folder = logic.teach(sequence, annotationNode, "valve", tmp_path, **arguments)

    (worker,) = fakesOfScript
    assert folder == tmp_path / "valve"
    assert (worker.module, *worker.arguments) == (RELAY, TEACH, scheduler.to_json(), str(tmp_path))
    assert (commands, steps) == ([STOP], [step])
    assert not worker.running
    assert list(tmp_path.iterdir()) == []

    monkeypatch.setattr(FakeWorker, "poll", lambda self: [Failed("the cluster is lost")])
    with pytest.raises(RunFailed, match="the cluster is lost"):
        logic.teach(sequence, annotationNode, "valve", tmp_path, **arguments)
    assert [path.name for path in tmp_path.iterdir()] == [".valve.teaching"]  # the job can be resumed


@pytest.mark.parametrize(
    ("runOn", "cause"),
    [
        ("tcp://department:8786", "is not protected by TLS"),
        ("tls://department", "is no address of a Dask scheduler"),
        (Scheduler("tcp://department:8786"), "is not protected by TLS"),
        (Scheduler(PROTECTED, TlsFiles(*[Path("missing.pem")] * 3)), "missing.pem: no such file"),
    ],
)
def test_script_is_told_at_once_where_images_must_not_be_sent(sequence, logic, tmp_path, runOn, cause):
    before = jobFolders()

    for call, arguments in (
        (logic.segment, (sequence,)),
        (logic.process, (sequence,)),
        (logic.teach, (sequence, sequence, "valve", tmp_path)),
    ):
        with pytest.raises(InputError, match=cause):
            call(*arguments, runOn=runOn)

    assert jobFolders() == before


def test_script_takes_the_certificates_of_the_panel_and_is_told_that_images_leave(fakePanel, certificates, caplog):
    runAt(fakePanel, Scheduler(LOCAL, certificates))

    assert checkedScheduler(LOCAL, toTeach=False) == Scheduler(LOCAL, certificates)

    assert f"The images and the annotations leave this computer: they are sent to {LOCAL}." in caplog.text
    assert "everybody who reaches it can run code" in caplog.text


def test_script_is_told_that_a_scheduler_does_not_answer(sequence, logic, bundle):
    scheduler = Scheduler("tcp://127.0.0.1:1", patience_s=1)

    with pytest.raises(RunFailed, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        logic.segment(sequence, model=bundle, runOn=scheduler)

    assert outputs() == []
