"""Runs and teaching jobs of the panel on a Dask cluster: what is sent where, and how it looks to the user."""

import pytest
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.worker.events import Done
from CLSTMSegmentLib.worker.scheduler import Scheduler
from CLSTMSegmentLib.worker.worker_process import RELAY, SEGMENT
from scene.segmentations import segmentedFrames
from worker.conftest import sharedCluster  # noqa: F401
from worker.remote_cluster import nothing_is_left

from panel.conftest import (
    jobFolders,
    nodeIDs,
    outputs,
    report,
    runToEnd,
    shownWidget,
    unfinishedFramesAreOffered,
    wait,
)

LOCAL = "tcp://127.0.0.1:8786"
PROTECTED = "tls://department:8786"


def runAt(ui, scheduler):
    """Enter the address of a scheduler, and the paths of the certificates."""
    ui.runOnLineEdit.text = scheduler.address
    if scheduler.tls is not None:
        ui.authorityPathLineEdit.currentPath = str(scheduler.tls.authority)
        ui.certificatePathLineEdit.currentPath = str(scheduler.tls.certificate)
        ui.keyPathLineEdit.currentPath = str(scheduler.tls.key)


def shown(widget):
    return widget.isVisibleTo(widget.parentWidget())


def test_run_goes_to_the_scheduler_and_to_this_computer_again(sequence, fakePanel, fakes, certificates):
    fakePanel.inputSelector.setCurrentNode(sequence)
    scheduler = Scheduler(PROTECTED, certificates)
    runAt(fakePanel, scheduler)

    fakePanel.applyButton.click()
    fakePanel.cancelButton.click()
    fakePanel.runOnLineEdit.text = " "
    fakePanel.applyButton.click()
    fakePanel.cancelButton.click()

    remote, local = fakes
    assert (remote.module, remote.arguments[0]) == (RELAY, SEGMENT)
    assert Scheduler.from_json(remote.arguments[1]) == scheduler
    assert local.module == SEGMENT


def test_user_reads_that_images_leave_this_computer_and_what_is_not_protected(fakePanel):
    ui = fakePanel
    assert not shown(ui.runOnLabel)
    assert not shown(ui.certificatesWidget)

    ui.runOnLineEdit.text = PROTECTED
    protected = ui.runOnLabel.text
    ui.runOnLineEdit.text = LOCAL

    assert shown(ui.runOnLabel)
    assert shown(ui.certificatesWidget)
    assert protected == f"The images and the annotations leave this computer: they are sent to {PROTECTED}."
    assert "everybody who reaches it can run code" in ui.runOnLabel.text


@pytest.mark.parametrize(
    ("address", "obstacle"),
    [
        ("tcp://department:8786", "is not protected by TLS"),
        ("department:8786", "is not protected by TLS"),
        ("tcp://192.168.0.7:8786", "use an address that begins with tls://"),
        ("tls://department", "is no address of a Dask scheduler"),
        ("tls://department:99999", "is no address of a Dask scheduler"),
        ("tls://[::1:8786", "is no address of a Dask scheduler"),
        (PROTECTED, None),
        (LOCAL, None),
        ("localhost:8786", None),
        ("tcp://[::1]:8786", None),
    ],
)
def test_images_are_sent_only_where_nobody_can_read_them_on_the_way(address, obstacle, sequence, fakePanel):
    fakePanel.inputSelector.setCurrentNode(sequence)

    fakePanel.runOnLineEdit.text = address

    assert fakePanel.applyButton.enabled == (obstacle is None)
    assert (obstacle or "Segment") in fakePanel.applyButton.toolTip


def test_certificates_that_cannot_be_used_are_named(sequence, fakePanel, certificates):
    ui = fakePanel
    ui.inputSelector.setCurrentNode(sequence)
    runAt(ui, Scheduler(PROTECTED, certificates))

    ui.keyPathLineEdit.currentPath = ""
    some = ui.applyButton.toolTip
    ui.keyPathLineEdit.currentPath = str(certificates.key) + "x"

    assert "the authority, the certificate and the key" in some
    assert not ui.applyButton.enabled
    assert "key.pemx: no such file" in ui.applyButton.toolTip


def test_waiting_run_leaves_nothing_if_the_address_has_become_wrong(sequence, fakePanel, fakes, phantom):
    ui, before = fakePanel, jobFolders()
    ui.inputSelector.setCurrentNode(sequence)
    ui.applyButton.click()
    ui.applyButton.click()
    ui.runOnLineEdit.text = "tcp://department:8786"

    report(fakes[0], segmentedFrames(sequence, phantom))
    fakes[0].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: "cannot start" in ui.statusLabel.text, "the second run")

    assert "is not protected by TLS" in ui.statusLabel.text
    assert len(fakes) == 1
    assert jobFolders() == before


def test_address_and_certificates_are_kept_on_this_computer_and_not_in_the_scene(smallModelAdded, scene, certificates):
    scheduler = Scheduler(PROTECTED, certificates)

    with shownWidget() as first:
        runAt(first.ui, scheduler)
        nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
        kept = [
            node.GetParameter(name)
            for node in nodes
            if node.IsA("vtkMRMLScriptedModuleNode")
            for name in node.GetParameterNames()
        ]
    with shownWidget() as second:
        ui = second.ui
        found = (ui.runOnLineEdit.text, ui.authorityPathLineEdit.currentPath, ui.keyPathLineEdit.currentPath)

    assert found == (PROTECTED, str(certificates.authority), str(certificates.key))
    assert kept
    assert not any("department" in text or ".pem" in text for text in kept)


def test_run_on_a_cluster_is_as_one_on_this_computer(sequence, widget, sharedCluster):  # noqa: F811
    ui, before = widget.ui, jobFolders()
    runToEnd(widget)
    local = [ui.volumesTable.item(row, 2).text() for row in range(ui.volumesTable.rowCount)]
    runAt(ui, sharedCluster.scheduler)

    runToEnd(widget)

    assert ui.statusLabel.text == "Done: 6 frames."
    assert [ui.volumesTable.item(row, 2).text() for row in range(ui.volumesTable.rowCount)] == local
    assert [node.GetNumberOfDataNodes() for node in outputs()] == [6, 6]
    assert f"runs at {sharedCluster.scheduler.address}" in ui.logText.plainText
    assert jobFolders() == before
    nothing_is_left(sharedCluster)


def test_run_on_a_cluster_is_cancelled_and_its_frames_are_offered(sequence, widget, sharedCluster):  # noqa: F811
    ui, nodes, folders = widget.ui, nodeIDs(), jobFolders()
    runAt(ui, sharedCluster.scheduler)
    ui.applyButton.click()
    wait(lambda: ui.volumesTable.rowCount >= 2, "two frames")

    ui.cancelButton.click()

    assert ui.statusLabel.text == "Cancelled."
    assert unfinishedFramesAreOffered(ui)
    ui.discardButton.click()
    assert nodeIDs() == nodes
    assert jobFolders() == folders
    nothing_is_left(sharedCluster)


def test_scheduler_that_does_not_answer_is_told(sequence, widget):
    folders = jobFolders()
    widget.ui.runOnLineEdit.text = "tcp://127.0.0.1:1"
    widget.ui.applyButton.click()

    wait(lambda: not widget.ui.cancelButton.enabled, "the failure")

    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in widget.ui.statusLabel.text
    assert jobFolders() == folders
