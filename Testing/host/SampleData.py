"""Stands in for Slicer's Sample Data module: checks what is registered, copies it to the cache, and loads it.

As in Slicer, only the button of a sample calls its custom downloader.
"""

import urllib.request
from pathlib import Path

import slicer
import vtk


class SampleDataSource:
    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFileProperties=None,
    ):
        self.sampleName, self.sampleDescription = sampleName, sampleDescription or sampleName
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}
        lists = [uris, fileNames, nodeNames, loadFiles, loadFileTypes, checksums]
        if isinstance(uris, str):
            lists = [[values] for values in lists]
        elif isinstance(uris, (list, tuple)):
            lists = [uris, fileNames, *(values or [None] * len(uris) for values in lists[2:])]
        self.uris, self.fileNames, self.nodeNames, self.loadFiles, self.loadFileTypes, self.checksums = lists
        if len({len(values) for values in lists}) != 1:  # as in Slicer, a TypeError where something is None
            raise ValueError(f"All fields of sample data source must have the same length: {lists}")


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
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties,
            checksums=checksums,
        )
        registered = SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, [])
        if not any(vars(other) == vars(source) for other in registered):
            registered.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    @staticmethod
    def registerUrlRewriteRule(name, rewriteFunction):
        if not hasattr(slicer.modules, "sampleDataUrlRewriteRules"):
            slicer.modules.sampleDataUrlRewriteRules = {}
        slicer.modules.sampleDataUrlRewriteRules[name] = rewriteFunction

    def downloadFromSource(self, source):
        loaded = vtk.vtkCollection()
        for uri, fileName, nodeName, fileType in zip(
            source.uris, source.fileNames, source.nodeNames, source.loadFileTypes, strict=True
        ):
            for rule in getattr(slicer.modules, "sampleDataUrlRewriteRules", {}).values():
                uri = rule(uri)
            path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / fileName
            if not path.exists():
                urllib.request.urlretrieve(uri, path)  # noqa: S310  as in Slicer
            properties = {**source.loadFileProperties, "fileName": str(path), "name": nodeName}
            assert slicer.app.coreIOManager().loadNodes(fileType, properties, loaded)
        return [loaded.GetItemAsObject(n) for n in range(loaded.GetNumberOfItems())]

    def downloadSamples(self, sampleName):
        for sources in self.sampleDataSourcesByCategory().values():
            for source in sources:
                if source.sampleName == sampleName:
                    return self.downloadFromSource(source)
        return []


def downloadSample(sampleName):
    return SampleDataLogic().downloadSamples(sampleName)[0]
