"""DICOM images told apart into series, or joined into one sequence, whatever folders and series they come in."""

import shutil

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import read_sequence
from dicom_files import small_image, values_in_order, values_of, write_enhanced, write_small_cine
from pydicom import Dataset


def timed(t, k):
    return {"TriggerTime": 25.0 * t, "SeriesDescription": "cine sax", "SeriesNumber": 5}


TOLD_APART = {
    "series": ({"SeriesInstanceUID": "1.2.3.77", "SeriesDescription": "cine sax again", "SeriesNumber": 6}, "again"),
    "equally named series": ({"SeriesInstanceUID": "1.2.3.77", "SeriesNumber": 6}, "number 6"),
    "image type": ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, r"ImageType ORIGINAL\\PRIMARY\\P\\ND"),
    "complex component": ({"ComplexImageComponent": "PHASE"}, "complex component PHASE"),
    "echo": ({"EchoNumbers": 2, "EchoTime": 4.6}, "echo time in ms 4.6"),
    "receive coil": ({"ReceiveCoilName": "C:2"}, "receive coil C:2"),
    "b-value": ({"DiffusionBValue": 800.0}, "b-value 800"),
    "sequence name": ({"SequenceName": "*fl2d1_v80in"}, r"sequence name \*fl2d1_v80in"),
    "orientation": ({"ImageOrientationPatient": [-1, 0, 0, 0, 0, -1]}, "at each of"),
    "spacing": ({"PixelSpacing": [1.0, 1.0]}, "at each of"),
    "study": ({"StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.4.1"}, "of 2 patients or studies"),
    "study of an equal series": ({"StudyInstanceUID": "1.2.4"}, "of 2 patients or studies"),
    "patient": ({"PatientID": "7"}, "of 2 patients or studies"),
    "patient by the date of birth": ({"PatientBirthDate": "19700101"}, "of 2 patients or studies"),
    "patient by the sex": ({"PatientSex": "F"}, "of 2 patients or studies"),
    "patient by the name": ({"PatientName": "B"}, "of 2 patients or studies"),
    "patient by who gave the ID": ({"IssuerOfPatientID": "B"}, "of 2 patients or studies"),
    "subject of a trial": ({"ClinicalTrialSubjectID": "B"}, "of 2 patients or studies"),
}


@pytest.mark.parametrize("what", TOLD_APART)
def test_two_different_things_are_refused_by_name_and_one_of_them_can_be_chosen(what, tmp_path):
    other, said = TOLD_APART[what]
    write_small_cine(tmp_path / "both", timed)
    write_small_cine(tmp_path / "both", lambda t, k: timed(t + 3, k) | other, prefix="X")

    with pytest.raises(InputError, match=r"holds 2 different things(, of 2 patients or studies)?: 1\. ") as caught:
        read_sequence(tmp_path / "both")

    assert str(caught.value).count("6 images") == 2
    assert str(caught.value).endswith("choose one with --series N, or give a folder with one of them")
    with pytest.raises(InputError, match=said):
        read_sequence(tmp_path / "both")
    found = [read_sequence(tmp_path / "both", series) for series in (1, 2)]
    assert [len(one) for one in found] == [3, 3]
    assert all(one.index.values == ["0", "25", "50"] for one in found)


NO_PHASES = {
    "b-values": lambda t: {"SeriesDescription": f"DWI {500 * t}", "DiffusionBValue": 500.0 * t},
    "b-values by their names": lambda t: {"SeriesDescription": f"DWI b={500 * t}"},
    "flip angles": lambda t: {"SeriesDescription": f"T1 map {t}", "FlipAngle": 3.0 + 12 * t},
    "inversion times": lambda t: {"SeriesDescription": f"scout {t}", "InversionTime": 200.0 + 50 * t},
    "energies": lambda t: {"SeriesDescription": f"Mono {50 + 20 * t} keV"},
    "strengths of a reconstruction": lambda t: {"SeriesDescription": f"Heart ASiR-V {40 + 20 * t}%"},
    "velocity directions": lambda t: {"SeriesDescription": f"flow {t}", "VelocityEncodingDirection": [t, 1.0 - t, 0.0]},
}


@pytest.mark.parametrize("what", NO_PHASES)
def test_series_that_differ_in_a_setting_are_no_phases_of_one_sequence(what, tmp_path):
    for t in range(2):
        series = NO_PHASES[what](t) | {"SeriesInstanceUID": f"1.2.3.{t}", "SeriesNumber": t + 1}
        write_small_cine(tmp_path / "both", lambda _, k, own=series: own | {"InstanceNumber": k}, 1, prefix=f"S{t}-")

    with pytest.raises(InputError, match=r"holds 2 different things(, of 2 patients or studies)?: 1\. "):
        read_sequence(tmp_path / "both")


def test_number_of_a_series_that_is_not_there_lists_those_that_are(tmp_path):
    write_small_cine(tmp_path / "cine", timed)

    for number in (0, 2):
        with pytest.raises(InputError, match=rf"no series {number}; it holds .*1\. cine sax \(number 5\): 6 images"):
            read_sequence(tmp_path / "cine", number)


@pytest.mark.parametrize(
    ("group", "creator", "element", "kind", "values", "said"),
    [
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", (0, 500), r"b-value 0\).*b-value 500\)"),
        (0x0043, "GEMS_PARM_01", 0x30, "SS", (2, 8), r"GE collapse flag 2\).*GE collapse flag 8\)"),
    ],
)
def test_private_elements_of_vendors_tell_images_apart(group, creator, element, kind, values, said, tmp_path):
    for n in range(2):
        for t in range(2):
            image = small_image(t, 0, **timed(t, 0))
            image.private_block(group, creator, create=True).add_new(element, kind, values[n])
            image.save_as(tmp_path / f"{n}{t}", enforce_file_format=True)

    with pytest.raises(InputError, match=said):
        read_sequence(tmp_path)


def test_what_differs_between_places_only_does_not_tell_images_apart(tmp_path):
    write_small_cine(tmp_path / "cine", lambda t, k: timed(t, k) | {"EchoTime": 1.2 + k, "SequenceName": f"*tfi{k}"})

    assert values_of(read_sequence(tmp_path / "cine")) == values_in_order(3)


def test_magnitude_and_phase_in_one_enhanced_file_are_told_apart_each_with_its_scale(tmp_path, phantom):
    def component(number):
        kind, scale, when = Dataset(), Dataset(), Dataset()
        kind.FrameType = ["ORIGINAL", "PRIMARY", "P" if number % 2 else "M", "NONE"]
        scale.RescaleSlope, scale.RescaleIntercept = (2.0, -100.0) if number % 2 else (1.0, 0.0)
        when.NominalCardiacTriggerDelayTime = 50.0 * (number // 2)
        return {
            "MRImageFrameTypeSequence": kind,
            "PixelValueTransformationSequence": scale,
            "CardiacSynchronizationSequence": when,
        }

    frame = phantom[0][0]
    write_enhanced([frame] * 4, tmp_path / "flow.dcm", component)

    with pytest.raises(InputError, match=r"PRIMARY\\M.*PRIMARY\\P"):
        read_sequence(tmp_path / "flow.dcm")
    magnitude, phase = (read_sequence(tmp_path / "flow.dcm", series)[0].image for series in (1, 2))
    assert phase[5, 6, 3] == 2 * magnitude[5, 6, 3] - 100


@pytest.mark.parametrize("own_series", [False, True])
def test_folder_for_each_slice_is_one_stack(own_series, tmp_path):
    for k in range(4):
        series = {"SeriesInstanceUID": f"1.2.3.{80 + k}", "SeriesNumber": 20 - k, "SeriesDescription": f"sax {k}"}
        write_small_cine(
            tmp_path / "study" / "x" / f"sax_{k}",
            lambda t, _, k=k, series=series: (
                timed(t, k) | {"ImagePositionPatient": [10, 5.0 * k, 20]} | (series if own_series else {})
            ),
            slices=1,
        )

    found = read_sequence(tmp_path / "study")

    assert len(found) == 3
    assert found[0].image.GetSize() == (4, 3, 4)
    assert found[0].image.GetSpacing() == (1.5, 2.0, 5.0)


def test_slice_that_was_imaged_twice_is_not_joined_into_a_stack(tmp_path):
    for n, k in enumerate((0, 1, 1)):
        series = {"SeriesInstanceUID": f"1.2.3.{80 + n}", "SeriesNumber": n, "ImagePositionPatient": [10, 5.0 * k, 20]}
        write_small_cine(tmp_path / f"sax_{n}", lambda t, _, series=series: timed(t, 0) | series, slices=1)

    with pytest.raises(InputError, match="3 different things"):
        read_sequence(tmp_path)


def test_slice_that_was_repeated_at_almost_the_same_place_is_another_thing(tmp_path):
    for n in range(2):
        series = {"SeriesInstanceUID": f"1.2.3.{80 + n}", "SeriesNumber": n, "ImagePositionPatient": [10, 0.8 * n, 20]}
        write_small_cine(tmp_path / f"run_{n}", lambda t, _, series=series: timed(t, 0) | series, slices=1)

    with pytest.raises(InputError, match="2 different things"):
        read_sequence(tmp_path)


@pytest.mark.parametrize("patients", [{}, {"StudyInstanceUID": ""}])
def test_patients_of_one_study_are_no_phases_of_one_beat(patients, tmp_path):
    for n in range(2):
        own = {"PatientID": f"P{n}", "SeriesInstanceUID": f"1.2.3.{80 + n}", "SeriesNumber": n} | patients
        write_small_cine(tmp_path / f"{n}", lambda _, k, own=own, n=n: timed(n, k) | own, times=1)

    with pytest.raises(InputError, match="2 different things, of 2 patients or studies"):
        read_sequence(tmp_path)


@pytest.mark.parametrize("series", [{}, {"SeriesInstanceUID": None}, None])
@pytest.mark.parametrize("what", ["FrameOfReferenceUID", "AccessionNumber", "StudyDate", "StudyTime", "StationName"])
def test_images_without_patient_and_study_are_told_apart_by_what_else_there_is(what, series, tmp_path):
    # given two acquisitions, of one series, of none or each of its own, in files that name no patient and no study
    for n, value in enumerate(("1201", "1202") if what == "StudyTime" else ("20200101", "20200102")):
        own = {"StudyInstanceUID": None, "FrameOfReferenceUID": None, what: value}
        own |= {"SeriesInstanceUID": f"1.2.3.{80 + n}"} if series is None else series
        write_small_cine(tmp_path / f"{n}", lambda _, k, own=own, n=n: timed(n, k) | own, times=1)

    # when, then
    with pytest.raises(InputError, match="2 different things, of 2 patients or studies"):
        read_sequence(tmp_path)


NAMELESS = dict.fromkeys(("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID", "StudyDate"))


@pytest.mark.parametrize("series", [("1.2.3.80", "1.2.3.81"), (None, None)])
def test_phases_that_nothing_tells_to_be_of_one_patient_are_warned_of(series, tmp_path):
    for n, uid in enumerate(series):
        own = NAMELESS | {"SeriesInstanceUID": uid}
        write_small_cine(tmp_path / f"{n}", lambda _, k, own=own, n=n: timed(n, k) | own, times=1)

    found = read_sequence(tmp_path)

    assert len(found) == 2
    assert any("check that the folder holds the images of one patient only" in text for text in found.warnings)


def test_phases_of_one_study_without_a_patient_and_with_different_frames_of_reference_are_warned_of(tmp_path):
    for n in range(2):
        own = NAMELESS | {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": f"1.2.3.{80 + n}"}
        own |= {"FrameOfReferenceUID": f"1.2.3.{90 + n}"}
        write_small_cine(tmp_path / f"{n}", lambda _, k, own=own, n=n: timed(n, k) | own, times=1)

    (warning,) = read_sequence(tmp_path).warnings

    assert warning.startswith("the images name no patient, and have different frames of reference")


@pytest.mark.parametrize("known", ["FrameOfReferenceUID", "StudyInstanceUID"])
def test_phases_of_an_anonymised_patient_are_one_sequence_without_a_warning(known, tmp_path):
    for n in range(2):
        own = NAMELESS | {"SeriesInstanceUID": f"1.2.3.{80 + n}", known: "1.2.3"}
        write_small_cine(tmp_path / f"{n}", lambda _, k, own=own, n=n: timed(n, k) | own, times=1)

    found = read_sequence(tmp_path)

    assert len(found) == 2
    assert found.warnings == []


def test_localizers_beside_a_sequence_are_left_out(tmp_path):
    write_small_cine(tmp_path / "cine", timed)
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesInstanceUID": "1.2.3.9"}
    small_image(0, 0, ImageOrientationPatient=[0, 1, 0, 0, 0, -1], **scout).save_as(tmp_path / "cine" / "scout")

    assert values_of(read_sequence(tmp_path / "cine")) == values_in_order(3)


def test_copies_of_files_are_read_once(tmp_path):
    write_small_cine(tmp_path / "cine", timed)
    shutil.copytree(tmp_path / "cine", tmp_path / "cine" / "copy")

    assert values_of(read_sequence(tmp_path / "cine")) == values_in_order(3)


def test_single_volume_is_a_sequence_of_one_frame(tmp_path):
    write_small_cine(tmp_path / "still", timed, times=1)

    found = read_sequence(tmp_path / "still")

    assert values_of(found) == values_in_order(1)
    assert found.index.values == ["0"]
