"""The texts of a model in DICOM SEG objects: kept in any script, or refused before the run."""

from dataclasses import replace

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.pipeline.result_files import Outputs
from CLSTMSegmentLib.pipeline.segment_to_files import segment_to_files
from conftest import smallModel
from dicom_files import write_series
from pydicom import dcmread

OUTER = Segment("outer", "Outer", (0.0, 1.0, 0.0))


@pytest.fixture
def series(tmp_path, phantom):
    """The first frame as a folder of DICOM images."""
    write_series(tmp_path / "cine", phantom[0][:1])
    return tmp_path / "cine"


@pytest.fixture
def segmented(series, settings, tmp_path):
    """Function that segments the images with a model, and returns the DICOM SEG object."""

    def run(on_frame=None, **values):
        model = smallModel(**values)
        write_bundle(model, model.weights, tmp_path / "model")
        outputs = Outputs(tmp_path / "labels.seq.nrrd", dicom_seg=tmp_path / "seg")
        segment_to_files(replace(settings, model=tmp_path / "model"), series, outputs, on_frame=on_frame)
        return dcmread(tmp_path / "seg" / "frame-0000.dcm")

    return run


def named(name="Inner", **values):
    """Return segments of which the first has a name."""
    return Segment("inner", name, (1.0, 0.0, 0.0), **values), OUTER


@pytest.mark.parametrize(
    ("character_set", "patient", "name"),
    [
        (None, "Phantom^Heart", "左心室"),
        ("ISO_IR 100", "Müller^Jörg", "Αριστερή κοιλία"),
        ("ISO_IR 144", "Юлия^Щ", "Höhle"),
    ],
)
def test_names_of_segments_and_patient_are_kept_in_any_script(character_set, patient, name, series, segmented):
    for path in series.iterdir():
        image = dcmread(path)
        image.SpecificCharacterSet = character_set
        image.PatientName = patient
        image.save_as(path)

    found = segmented(segments=named(name, terminology={"type": ["SCT", "1", name]}))

    assert [segment.SegmentLabel for segment in found.SegmentSequence] == [name, "Outer"]
    assert found.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == name
    assert found.PatientName == patient


@pytest.mark.parametrize("title", ["左心室", "", "Ä" * 64 + " and more"])
def test_title_of_the_model_is_kept_in_any_script(title, segmented):
    assert segmented(title=title).SeriesDescription == title[:64]


CODE = ["SCT", "1", "Meaning"]
LONG = "n" * 65

REFUSED = [
    ({"segments": named("L\\R")}, r"segment 'L\\\\R': its name has"),
    ({"segments": named("L\nR")}, r"segment 'L\\nR': its name has"),
    ({"segments": named(LONG)}, r"segment 'n+': its name has 65 characters"),
    ({"segments": named(terminology={"type": [*CODE[:2], LONG]})}, "segment 'Inner': the meaning of its type has 65"),
    ({"segments": named(terminology={"type": [*CODE[:2], "a\\b"]})}, "segment 'Inner': the meaning of its type has"),
    ({"segments": named(terminology={"category": ["S" * 17, *CODE[1:]]})}, "scheme of its category has 17 characters"),
    (
        {"segments": named(terminology={"type": ["SCT", "1\\2", "Meaning"]})},
        "segment 'Inner': the code of its type has",
    ),
    ({"segments": named(terminology={"type": ["SCT", "", "Meaning"]})}, "the code of its type is empty"),
    ({"segments": named(terminology={"type": ["SCT", "1", "\ud800"]})}, "the meaning of its type has"),
    ({"name": "m" * 70}, "model m+: its name has 70 characters"),
    ({"version": "1" * 70}, "model small: its version has 70 characters"),
    ({"version": "1\\2"}, "model small: its version has"),
    ({"name": "m" * 40, "version": "1" * 40}, "model m+: its name with its version has 81 characters"),
    ({"title": "a\\b"}, "model small: its title has"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED)
def test_text_that_dicom_does_not_allow_is_refused_before_the_run(values, message, segmented, tmp_path):
    frames = []

    with pytest.raises(InputError, match=message):
        segmented(frames.append, **values)

    assert frames == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cine", "model"]
