"""The sequence browsers of a scene, and what they show."""

import slicer


def proxyIDs(scene: slicer.vtkMRMLScene) -> set[str]:
    """Return the IDs of all nodes to which a browser refers; those that are no sequences show the current item of one.

    This looks at the IDs of references alone: to look up the nodes while one of them is being removed crashes.
    """
    return {nodeID for browserNode in _browsers(scene) for nodeID in _referencedIDs(browserNode)}


def _referencedIDs(browserNode: slicer.vtkMRMLSequenceBrowserNode) -> set[str]:
    roles: list[str] = []
    browserNode.GetNodeReferenceRoles(roles)
    return {
        browserNode.GetNthNodeReferenceID(role, n)
        for role in roles
        for n in range(browserNode.GetNumberOfNodeReferences(role))
    }


def _browsers(scene: slicer.vtkMRMLScene) -> list:
    collection = scene.GetNodesByClass("vtkMRMLSequenceBrowserNode")
    collection.UnRegister(None)
    return [collection.GetItemAsObject(n) for n in range(collection.GetNumberOfItems())]


def browserOfProxy(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLSequenceBrowserNode | None:
    """Return the browser that shows items of a sequence in a node, which is no sequence itself; see `proxyIDs`."""
    if node.GetScene() is None:
        return None
    return next((b for b in _browsers(node.GetScene()) if node.GetID() in _referencedIDs(b)), None)


def browserOfSequence(node: slicer.vtkMRMLSequenceNode) -> slicer.vtkMRMLSequenceBrowserNode | None:
    """Return the browser of which the sequence is the master, else any browser that plays it."""
    if node.GetScene() is None:
        return None
    browsers = [b for b in _browsers(node.GetScene()) if b.IsSynchronizedSequenceNode(node, True)]
    return next((b for b in browsers if b.GetMasterSequenceNode() is node), browsers[0] if browsers else None)
