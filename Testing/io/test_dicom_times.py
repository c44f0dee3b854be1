"""The order of DICOM images in time, and the index values of the frames, by whatever attribute gives them."""

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import read_sequence
from dicom_files import small_image, trigger_time, values_in_order, values_of, write_enhanced, write_small_cine
from pydicom import Dataset

SAME_DAY = {"AcquisitionDate": "20230304", "AcquisitionTime": "101112"}

ORDERED = {
    "trigger time, from a first one that is not 0": (
        lambda t, k: {"TriggerTime": 12.5 + 30.2 * t},
        (["0", "30.2", "60.4"], "time", "ms"),
    ),
    "cardiac phase": (
        lambda t, k: {"TriggerTime": 0, "NominalPercentageOfCardiacPhase": 30.0 * t},
        (["0", "30", "60"], "phase", "%"),
    ),
    "respiratory phase": (
        lambda t, k: SAME_DAY | {"NominalPercentageOfRespiratoryPhase": 12.5 * t + 5},
        (["5", "17.5", "30"], "phase", "%"),
    ),
    "temporal position, with times that agree": (
        lambda t, k: {"TemporalPositionIdentifier": t + 1, "AcquisitionTime": f"1159{(5, 20, 59)[t]:02}.25"},
        (["0", "15000", "54000"], "time", "ms"),
    ),
    "temporal position, with a temporal resolution": (
        lambda t, k: SAME_DAY | {"TemporalPositionIdentifier": 4 + 2 * t, "TemporalResolution": 33.5},
        (["0", "67", "134"], "time", "ms"),
    ),
    "temporal position, with content times that agree": (
        lambda t, k: SAME_DAY | {"TemporalPositionIdentifier": t + 1, "ContentTime": f"10112{2 * t}.25"},
        (["0", "2000", "4000"], "time", "ms"),
    ),
    "temporal position alone": (
        lambda t, k: {"TemporalPositionIdentifier": t + 7},
        (["0", "1", "2"], "frame", ""),
    ),
    "acquisition date-time, in several zones": (
        lambda t, k: {"AcquisitionDateTime": ("20230304100000+0100", "20230304093000+0000", "20230304093500")[t]},
        (["0", "1800000", "2100000"], "time", "ms"),
    ),
    "acquisition time, where trigger times are 0": (
        lambda t, k: {"TriggerTime": 0.0, "AcquisitionTime": f"0958{58 + t % 2}.{5 * (t // 2)}" if t < 2 else "095900"},
        (["0", "1000", "2000"], "time", "ms"),
    ),
    "acquisition over midnight": (
        lambda t, k: {
            "AcquisitionDate": ("20231231", "20240101", "20240101")[t],
            "AcquisitionTime": ("235950", "000000", "000020")[t],
        },
        (["0", "10000", "30000"], "time", "ms"),
    ),
    "content time": (
        lambda t, k: SAME_DAY | {"ContentDate": "20230304", "ContentTime": f"10111{t * 2}.5", "InstanceNumber": 9 - t},
        (["0", "2000", "4000"], "time", "ms"),
    ),
    "frame reference time, as PET has it": (
        lambda t, k: SAME_DAY | {"FrameReferenceTime": (2500, 7500, 20000)[t], "InstanceNumber": 2 * t + k},
        (["0", "5000", "17500"], "time", "ms"),
    ),
    "instance number": (
        lambda t, k: SAME_DAY | {"InstanceNumber": 8 * t + 5 * k + 1, "ContentTime": "101112"},
        (["0", "1", "2"], "frame", ""),
    ),
    "a trigger time that is damaged is none": (
        lambda t, k: {"TemporalPositionIdentifier": t + 1, "AcquisitionTime": "noon"},
        (["0", "1", "2"], "frame", ""),
    ),
}


@pytest.mark.parametrize("case", ORDERED)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_first_attribute_that_all_images_have_orders_them_and_gives_the_index(case, tmp_path):
    attributes, index = ORDERED[case]
    write_small_cine(tmp_path / "cine", attributes)

    found = read_sequence(tmp_path / "cine")

    assert values_of(found) == values_in_order(3)
    assert (found.index.values, found.index.name, found.index.unit) == index
    assert found.warnings == []


def test_times_over_midnight_without_dates_are_put_in_order_with_a_warning(tmp_path):
    times = ("235958.5", "235959.5", "000000.5")
    write_small_cine(tmp_path / "cine", lambda t, k: {"AcquisitionTime": times[t]})

    found = read_sequence(tmp_path / "cine")

    assert values_of(found) == values_in_order(3)
    assert found.index.values == ["0", "1000", "2000"]
    assert "before and after midnight" in found.warnings[0]


def test_trigger_times_that_occur_twice_are_warned_of(tmp_path):
    """As of two runs in one series."""
    write_small_cine(tmp_path / "cine", lambda t, k: {"TriggerTime": 25.0 * (t % 2), "InstanceNumber": t}, times=4)

    found = read_sequence(tmp_path / "cine")

    assert values_of(found) == values_in_order(4)
    assert "several images of one place have the same trigger time" in found.warnings[0]


def test_images_of_different_heart_beats_are_in_the_order_of_their_acquisition(tmp_path):
    """As in a perfusion series, where the delays after the trigger differ by chance."""
    delays = (410.0, 402.5, 407.5, 405.0)
    write_small_cine(
        tmp_path / "perfusion",
        lambda t, k: {"TriggerTime": delays[t] + 90 * k, "AcquisitionTime": f"1011{20 + t}.{k}"},
        times=4,
    )

    found = read_sequence(tmp_path / "perfusion")

    assert values_of(found) == values_in_order(4)
    assert found.index.values == ["0", "1000", "2000", "3000"]
    (warning,) = found.warnings
    assert "in another order than that of their trigger time" in warning


@pytest.mark.parametrize(
    ("acquired", "expected"),
    [
        (lambda t, k: f"10112{k}.{50 * t + (7 * (t > 2)):03}", ["0", "50", "100", "157", "207", "257"]),
        (lambda t, k: "101120", ["0", "1", "2", "3", "4", "5"]),
    ],
    ids=["in ms", "in s"],
)
def test_beats_of_a_cine_in_real_time_follow_each_other(acquired, expected, tmp_path):
    """The trigger time begins again with each beat, and no two images have the same one."""
    delays = (5.0, 55.0, 105.0, 12.0, 62.0, 112.0)
    write_small_cine(
        tmp_path / "cine",
        lambda t, k: {"TriggerTime": delays[t], "AcquisitionTime": acquired(t, k), "InstanceNumber": 10 * k + t},
        times=6,
    )

    found = read_sequence(tmp_path / "cine")

    assert values_of(found) == values_in_order(6)
    assert found.index.values == expected
    assert "in another order than that of their trigger time" in found.warnings[0]


def test_cine_whose_numbers_begin_with_a_later_phase_is_in_the_order_of_its_trigger_times(tmp_path):
    write_small_cine(tmp_path / "cine", lambda t, k: {"TriggerTime": 50.0 * t, "InstanceNumber": (t + 3) % 6}, times=6)

    found = read_sequence(tmp_path / "cine")

    assert values_of(found) == values_in_order(6)
    assert found.warnings == []


def test_phases_of_a_cine_stay_in_the_order_of_their_trigger_times(tmp_path):
    """Its images are made of parts of many heart beats, whose times of acquisition say nothing of the phase."""
    write_small_cine(
        tmp_path / "cine", lambda t, k: {"TriggerTime": 300.0 * t, "AcquisitionTime": f"10112{k}.{9 - t}"}, times=4
    )

    found = read_sequence(tmp_path / "cine")

    assert values_of(found) == values_in_order(4)
    assert (found.index.values, found.warnings) == (["0", "300", "600", "900"], [])


def test_images_that_nothing_orders_are_refused_and_what_was_looked_at_is_said(tmp_path):
    write_small_cine(tmp_path / "cine", lambda t, k: SAME_DAY | {"TriggerTime": 0, "InstanceNumber": k + 1})

    with pytest.raises(InputError, match="nothing orders them in time") as caught:
        read_sequence(tmp_path / "cine")

    looked_at, not_there = str(caught.value).split("not there:")
    for name in ("trigger time (equal", "acquisition date and time (equal", "instance number (equal"):
        assert name in looked_at
    assert "content date and time" in not_there


PHASES = {
    "by the attribute": lambda t: {"NominalPercentageOfCardiacPhase": 20.0 * t},
    "by the description": lambda t: {"SeriesDescription": f"Gated {20 * t}% 1.5 B30f"},
    "by the description, with other numbers": lambda t: {"SeriesDescription": f"S{301 + t} Gated {20 * t}%"},
    "by the description, with another percentage": lambda t: {"SeriesDescription": f"ASiR-V 50% Phase {20 * t}% 60%"},
    "by the comment": lambda t: {"ImageComments": f"{20 * t} %"},
}


@pytest.mark.parametrize("named", PHASES)
def test_series_for_each_phase_are_one_sequence_whose_index_is_the_phase(named, tmp_path):
    """The slices of a phase were acquired at different times, in another order than the phases."""

    def attributes(t, k):
        when = {"AcquisitionTime": f"1011{30 + (t + k) % 3:02}", "SeriesNumber": 300 - t}
        return PHASES[named](t) | when | {"SeriesInstanceUID": f"1.2.3.{40 + t}", "InstanceNumber": k + 1}

    write_small_cine(tmp_path / "phases", attributes)

    found = read_sequence(tmp_path / "phases")

    assert values_of(found) == values_in_order(3)
    assert (found.index.values, found.index.name, found.index.unit) == (["0", "20", "40"], "phase", "%")


def test_attribute_that_only_some_images_have_orders_none(tmp_path):
    write_small_cine(
        tmp_path / "cine",
        lambda t, k: {"InstanceNumber": t + 1} | ({} if (t, k) == (1, 1) else {"TriggerTime": 100.0 - t}),
    )

    found = read_sequence(tmp_path / "cine")

    assert values_of(found) == values_in_order(3)
    assert "1 of 6 images have no trigger time, so that it orders none of them" in found.warnings[0]


LACKING = {
    "trigger time": lambda t: {"TriggerTime": "" if t == 4 else 40.0 * t},
    "percentage in the series description": lambda t: {"SeriesDescription": "Gated" if t == 4 else f"Gated {20 * t}%"},
}


@pytest.mark.parametrize("attribute", LACKING)
def test_attribute_that_a_few_images_lack_is_said_not_to_order_the_others(attribute, tmp_path):
    def attributes(t, k):
        when = {"AcquisitionTime": f"1011{30 + 7 * t % 5:02}", "InstanceNumber": k + 1}
        return LACKING[attribute](t) | when | {"SeriesInstanceUID": f"1.2.3.{t}", "SeriesNumber": 30 + t}

    write_small_cine(tmp_path / "phases", attributes, times=5)

    (warning,) = read_sequence(tmp_path / "phases").warnings

    assert f"2 of 10 images have no {attribute}, so that it orders none of them" in warning


@pytest.mark.parametrize(
    "names", [("0% Ex", "50% Ex", "100% In", "50% In"), ("0% In", "50% In", "100% In", "70% Ex", "30% Ex")]
)
def test_respiratory_phases_of_inhaling_and_exhaling_are_one_sequence(names, tmp_path):
    def attributes(t, k):
        return {"SeriesDescription": f"Thorax {names[t]}", "SeriesInstanceUID": f"1.2.3.{t}", "SeriesNumber": 30 + t}

    write_small_cine(tmp_path / "phases", attributes, times=len(names))

    assert values_of(read_sequence(tmp_path / "phases")) == values_in_order(len(names))


def test_series_for_each_phase_are_ordered_by_their_numbers_where_nothing_else_does(tmp_path):
    """The times would take the slices of a frame from different series."""

    def attributes(t, k):
        when = {"AcquisitionTime": f"1011{30 + (t + k) % 3:02}", "SeriesNumber": 300 + t}
        return when | {"SeriesInstanceUID": f"1.2.3.{49 - t}", "InstanceNumber": k + 1}

    write_small_cine(tmp_path / "phases", attributes)

    found = read_sequence(tmp_path / "phases")

    assert values_of(found) == values_in_order(3)
    assert "nothing but the series numbers orders the images in time" in found.warnings[0]


def groups(name, **values):
    """Return the functional group of a name, with these values."""
    group = Dataset()
    for keyword, value in values.items():
        setattr(group, keyword, value)
    return {name: group}


ENHANCED = {
    "trigger delay": (trigger_time, ["0", "37.5", "75"]),
    "cardiac phase": (
        lambda n: groups("CardiacSynchronizationSequence", NominalPercentageOfCardiacPhase=15.0 * n),
        ["0", "15", "30"],
    ),
    "time offset in s": (
        lambda n: groups("TemporalPositionSequence", TemporalPositionTimeOffset=0.0125 * n + 1),
        ["0", "12.5", "25"],
    ),
    "acquisition date-time": (
        lambda n: groups("FrameContentSequence", FrameAcquisitionDateTime=f"2023010122595{7 + n}.500"),
        ["0", "1000", "2000"],
    ),
    "temporal position": (lambda n: groups("FrameContentSequence", TemporalPositionIndex=n + 1), ["0", "1", "2"]),
}


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("case", ENHANCED)
def test_enhanced_files_are_ordered_by_their_functional_groups(case, several, tmp_path, phantom):
    """As one file, and as a file for each time point, whose names say nothing of the order."""
    of_number, index = ENHANCED[case]
    frames = phantom[0][:3]
    (tmp_path / "cine").mkdir()
    if several:
        for n, frame in enumerate(frames):
            write_enhanced([frame], tmp_path / "cine" / f"IM{(10, 9, 100)[n]}", lambda _, n=n: of_number(n))
    else:
        write_enhanced(frames, tmp_path / "cine" / "IM1", of_number)

    found = read_sequence(tmp_path / "cine")

    assert found.index.values == index
    means = [frame.image for frame in found]
    for expected, image in zip(frames, means, strict=True):
        assert image.GetSize() == expected.image.GetSize()
        middle = image.GetSize()[0] // 2, image.GetSize()[1] // 2, 3
        there = image.TransformIndexToPhysicalPoint(middle)
        other = expected.image.TransformPhysicalPointToIndex(there)
        assert image[middle] == int(expected.image[other])


def test_image_of_a_series_given_alone_is_refused(tmp_path):
    small_image(0, 0).save_as(tmp_path / "IM1", enforce_file_format=True)

    with pytest.raises(InputError, match="IM1 is a single image of a series: give the folder"):
        read_sequence(tmp_path / "IM1")
