"""The views of Slicer's layout, of which some are needed to see a result."""

import slicer

PLOT_VIEW, THREE_D_VIEW = "vtkMRMLPlotViewNode", "vtkMRMLViewNode"


def showView(viewClass: str) -> None:
    """Change to a layout with slices, a 3D view and a plot, unless the present layout has a view of this class."""
    layoutLogic = slicer.app.layoutManager().layoutLogic()
    views = layoutLogic.GetViewNodes()
    if all(views.GetItemAsObject(n).GetClassName() != viewClass for n in range(views.GetNumberOfItems())):
        layoutNode = layoutLogic.GetLayoutNode()
        layoutNode.SetViewArrangement(layoutNode.SlicerLayoutConventionalPlotView)
