"""The sequence browsers of a scene, and what they show."""

from collections.abc import Iterator
from contextlib import contextmanager

import slicer
import vtk


@contextmanager
def othersStay(
    sequenceNode: slicer.vtkMRMLSequenceNode, browserNode: slicer.vtkMRMLSequenceBrowserNode | None = None
) -> Iterator[None]:
    """Leave the proxies of all other sequences as they are while the block changes a sequence.

    Whenever a browser or one of its sequences changes, the application copies the selected item of each sequence of
    this browser into its proxy. What the user has drawn there is lost then, unless the browser saves the changes.

    Args:
        sequenceNode: the sequence that changes.
        browserNode: a browser that will play it, too; None where it is in its browsers already.
    """
    browserNodes = browsersOf(sequenceNode)
    if browserNode is not None and browserNode.GetScene() is not None and browserNode not in browserNodes:
        browserNodes.append(browserNode)
    others = [
        (browser, node)
        for browser in browserNodes
        for node in _synchronized(browser)
        if node is not sequenceNode and browser.GetPlayback(node)
    ]
    _setPlayback(others, False)
    try:
        yield
    finally:
        _setPlayback(others, True)


def _synchronized(browserNode: slicer.vtkMRMLSequenceBrowserNode) -> list[slicer.vtkMRMLSequenceNode]:
    """Return all sequences that a browser plays, its master too."""
    nodes = vtk.vtkCollection()
    browserNode.GetSynchronizedSequenceNodes(nodes, True)
    return [nodes.GetItemAsObject(n) for n in range(nodes.GetNumberOfItems())]


def _setPlayback(
    played: list[tuple[slicer.vtkMRMLSequenceBrowserNode, slicer.vtkMRMLSequenceNode]], playback: bool
) -> None:
    """Set for a moment whether browsers play some of their sequences."""
    for browserNode, sequenceNode in played:
        with silent(browserNode):
            browserNode.SetPlayback(sequenceNode, playback)


@contextmanager
def silent(browserNode: slicer.vtkMRMLSequenceBrowserNode) -> Iterator[None]:
    """Change a browser without telling the application, which would copy all selected items into the proxies."""
    wasDisabled = browserNode.GetDisableModifiedEvent()
    browserNode.SetDisableModifiedEvent(True)
    try:
        yield
    finally:
        browserNode.SetDisableModifiedEvent(wasDisabled)


PROXY_ROLE = "dataNodeRef"
"""Begin of the roles in which a browser refers to its proxies; other modules may refer to nodes in other roles."""


def proxyIDs(scene: slicer.vtkMRMLScene) -> set[str]:
    """Return the IDs of all nodes that show the current item of a sequence.

    This looks at the IDs of references alone: to look up the nodes while one of them is being removed crashes.
    """
    return {nodeID for browserNode in _browsers(scene) for nodeID in _proxyIDs(browserNode)}


def _proxyIDs(browserNode: slicer.vtkMRMLSequenceBrowserNode) -> set[str]:
    roles: list[str] = []
    browserNode.GetNodeReferenceRoles(roles)
    return {
        browserNode.GetNthNodeReferenceID(role, n)
        for role in roles
        if role.startswith(PROXY_ROLE)
        for n in range(browserNode.GetNumberOfNodeReferences(role))
    }


def _browsers(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSequenceBrowserNode]:
    return _nodes(scene, "vtkMRMLSequenceBrowserNode")


def _nodes(scene: slicer.vtkMRMLScene, nodeClass: str) -> list:
    collection = scene.GetNodesByClass(nodeClass)
    collection.UnRegister(None)
    return [collection.GetItemAsObject(n) for n in range(collection.GetNumberOfItems())]


def browserOfProxy(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLSequenceBrowserNode | None:
    """Return the browser that shows items of a sequence in a node; see `proxyIDs`."""
    if node.GetScene() is None:
        return None
    return next((b for b in _browsers(node.GetScene()) if node.GetID() in _proxyIDs(b)), None)


def browsersOf(node: slicer.vtkMRMLSequenceNode) -> list[slicer.vtkMRMLSequenceBrowserNode]:
    """Return all browsers that play a sequence."""
    scene = node.GetScene()
    return [] if scene is None else [b for b in _browsers(scene) if b.IsSynchronizedSequenceNode(node, True)]


def browserOfSequence(node: slicer.vtkMRMLSequenceNode) -> slicer.vtkMRMLSequenceBrowserNode | None:
    """Return the browser of which the sequence is the master, else any browser that plays it.

    Of several ones, it is the one whose proxy of the sequence is shown in a slice view, or the active volume.
    """
    browsers = browsersOf(node)
    masters = [b for b in browsers if b.GetMasterSequenceNode() is node] or browsers
    if len(masters) < 2:
        return masters[0] if masters else None
    return seenBrowser(node, masters) or masters[0]


def seenBrowser(
    node: slicer.vtkMRMLSequenceNode, browsers: list[slicer.vtkMRMLSequenceBrowserNode]
) -> slicer.vtkMRMLSequenceBrowserNode | None:
    """Return the browser whose proxy of a sequence is shown in a slice view, or the active volume; None for none."""
    seen = _seenVolumeIDs(node.GetScene())
    proxies = [(b, proxyNode.GetID()) for b in browsers if (proxyNode := b.GetProxyNode(node)) is not None]
    return next((b for volumeID in seen for b, proxyID in proxies if proxyID == volumeID), None)


def _seenVolumeIDs(scene: slicer.vtkMRMLScene) -> list[str | None]:
    """Return the IDs of the volumes that the slice views show, and of the active volume.

    The active volume comes first if a slice view shows it, else last: a slice view lets the user choose another one.
    """
    selectionNode = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    active = [selectionNode.GetActiveVolumeID()] if selectionNode is not None else []
    shown = [view.GetBackgroundVolumeID() for view in _nodes(scene, "vtkMRMLSliceCompositeNode")]
    return [volumeID for volumeID in active if volumeID in shown] + shown + active
