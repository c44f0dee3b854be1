"""The phantom heart in the Sample Data module."""

from pathlib import Path

import slicer

PHANTOM_ADDRESS = "clstmsegment:phantom-heart"
"""Stands for the phantom heart in the Sample Data module, which only loads what has an address."""

THUMBNAIL = Path(__file__).resolve().parents[2] / "Resources" / "Icons" / "PhantomHeart.png"


def registerSampleData() -> None:
    """Add the phantom heart to the Sample Data module, by a click and with `SampleData.downloadSample`."""
    import SampleData

    SampleData.SampleDataLogic.registerUrlRewriteRule("CLSTMSegment", makeSamplePhantom)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="CLSTMSegment",
        sampleName="Phantom heart",
        thumbnailFileName=str(THUMBNAIL),
        uris=PHANTOM_ADDRESS,
        fileNames="PhantomHeart.seq.nrrd",
        nodeNames="Phantom heart",
        loadFileTypes="SequenceFile",
    )


def makeSamplePhantom(address: str) -> str:
    """Compute the phantom heart when Slicer asks for it, and return the address of its file; others stay as they are.

    Slicer calls this for every address that it downloads.
    """
    if address != PHANTOM_ADDRESS:
        return address
    from ..scene.sample_phantom import writeHeartPhantom

    path = Path(slicer.app.temporaryPath).resolve() / "PhantomHeart.seq.nrrd"
    writeHeartPhantom(path, seed=4)
    return path.as_uri()
