"""The phantom heart in the Sample Data module."""

from pathlib import Path

import slicer
from CLSTMSegmentLib.panel.sample_data import makeSamplePhantom, registerSampleData
from CLSTMSegmentLib.scene.inputs import resolveInput


def clickSampleData(source):
    """Do what a click on the button of a sample does in the Sample Data module."""
    import SampleData

    if source.customDownloader:
        source.customDownloader(source)
    else:
        SampleData.SampleDataLogic().downloadFromSource(source)


def test_phantom_heart_is_among_the_sample_data_by_click_and_by_script(scene):
    import SampleData

    registerSampleData()
    (source,) = SampleData.SampleDataLogic.sampleDataSourcesByCategory("CLSTMSegment")
    byScript = SampleData.downloadSample("Phantom heart")
    clickSampleData(source)

    assert source.sampleDescription == "Phantom heart"
    assert Path(source.thumbnailFileName).is_file()
    assert byScript.GetName() == "Phantom heart"
    byClick = scene.GetFirstNodeByName("Phantom heart_1")
    for sequenceNode in (byScript, byClick):
        assert sequenceNode.GetNumberOfDataNodes() == 20
        assert (sequenceNode.GetIndexName(), sequenceNode.GetIndexUnit()) == ("time", "ms")
        assert sequenceNode.GetNthIndexValue(19) == "760"
        assert resolveInput(sequenceNode).proxyNode is not None
    assert slicer.modules.sequences.activeBrowserNode is resolveInput(byClick).browserNode
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID() == (
        resolveInput(byClick).proxyNode.GetID()
    )


def test_addresses_of_other_sample_data_stay_as_they_are():
    assert makeSamplePhantom("https://example.com/MRHead.nrrd") == "https://example.com/MRHead.nrrd"
