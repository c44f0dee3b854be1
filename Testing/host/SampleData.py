"""Stands in for Slicer's Sample Data module: keeps what is registered, and makes what needs no download."""

sources = {}


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties={},  # noqa: B006  as in Slicer
        checksums=None,
        loadFileType=None,
    ):
        assert loadFileType is None, "deprecated"
        sources[sampleName] = {
            "category": category,
            "uris": uris,
            "loadFileTypes": loadFileTypes,
            "customDownloader": customDownloader,
            "thumbnailFileName": thumbnailFileName,
            "checksums": checksums,
        }


def downloadSample(sampleName):
    source = sources[sampleName]
    return source["customDownloader"](source)
