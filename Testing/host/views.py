"""Slice and 3D views without a display: Slicer's own displayable managers, drawn into PNG files."""

from pathlib import Path

import slicer
import vtk

SIZE = (420, 420)


class _View:
    def __init__(self, factoryClass, managers):
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(*SIZE)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.factory = factoryClass.GetInstance()
        self.factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in managers:
            if not self.factory.IsDisplayableManagerRegistered(name):
                self.factory.RegisterDisplayableManager(name)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()

    def save(self, path: Path) -> None:
        self.window.Render()
        capture = vtk.vtkWindowToImageFilter()
        capture.SetInput(self.window)
        writer = vtk.vtkPNGWriter()
        writer.SetInputConnection(capture.GetOutputPort())
        writer.SetFileName(str(path))
        writer.Write()


class SliceView(_View):
    """A slice through the middle of a volume, along its own slices, with segmentations over it."""

    def __init__(self, volumeNode):
        super().__init__(slicer.vtkMRMLSliceViewDisplayableManagerFactory, ["vtkMRMLSegmentationsDisplayableManager2D"])
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.group.Initialize(self.factory, self.renderer)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self.logic.SetMRMLScene(slicer.mrmlScene)
        sliceNode = self.logic.AddSliceNode("Red")
        self.group.SetMRMLDisplayableNode(sliceNode)
        self.logic.ResizeSliceNode(*SIZE)
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        sliceNode.SetOrientation("Coronal")
        sliceNode.RotateToVolumePlane(volumeNode)
        self.logic.FitSliceToBackground()
        # the slice image itself, which a widget shows in Slicer
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(self.logic.GetImageDataConnection())
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)


class ThreeDView(_View):
    """The surfaces of segmentations."""

    def __init__(self):
        super().__init__(
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory,
            ["vtkMRMLCameraDisplayableManager", "vtkMRMLSegmentationsDisplayableManager3D"],
        )
        self.group.Initialize(self.factory, self.renderer)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self.logic.SetMRMLScene(slicer.mrmlScene)
        viewNode = self.logic.AddViewNode("View")
        viewNode.SetBoxVisible(False)
        viewNode.SetAxisLabelsVisible(False)
        self.group.SetMRMLDisplayableNode(viewNode)

    def save(self, path: Path) -> None:
        self.window.Render()
        self.renderer.ResetCamera()
        super().save(path)
