"""Labelled phantoms on disk, laid out as the real hearts are."""

import json

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.phantoms.heart import heart_sequence


def write_hearts(folder):
    """Phantoms in the layout of the real data: a cine and three pairs of phases, sparsely labelled."""
    shape, spacing = (8, 40, 40), (8.0, 4.0, 4.0)
    cines, phases = folder / "sunnybrook", folder / "sunnybrook_ed_es"
    cines.mkdir(parents=True)
    phases.mkdir()
    frames, truth = heart_sequence(1, 4, shape, spacing)
    index = SequenceIndex([f.index_value for f in frames], "time", "ms")
    write_sequence(cines / "SCD0000101.seq.nrrd", index, [frame.image for frame in frames])
    sitk.WriteImage(truth[0], str(cines / "ed.nrrd"))
    entry = {"file": "ed.nrrd", "phase": "ED", "labelled_classes": [1, 2], "labelled_slices": [2, 5]}
    (cines / "labels.json").write_text(json.dumps({"SCD0000101": {"0": entry}}), encoding="utf-8")
    index = {}
    for name, seed in (("SC-HF-I-01", 1), ("A", 2), ("B", 3)):
        frames, truth = heart_sequence(seed, 2, shape, spacing)
        index[name] = {}
        for t, phase in enumerate(("ED", "ES")):
            sitk.WriteImage(frames[t].image[:, :, 1:7], str(phases / f"{name}_{phase}.nrrd"))
            cavity = sitk.Cast(truth[t][:, :, 1:7] == 1, sitk.sitkUInt8)
            sitk.WriteImage(cavity, str(phases / f"{name}_{phase}_cavity.nrrd"))
            index[name][phase] = {"frame": t, "slices": [1, 6]}
    (phases / "index.json").write_text(json.dumps(index), encoding="utf-8")


@pytest.fixture(scope="session")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_hearts(folder)
    return folder
