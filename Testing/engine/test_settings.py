"""The settings of a run: read from what a user types, checked, and written to JSON and back."""

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.settings import DEFAULT_MODEL, RunSettings, frames_text

TEXTS = {
    "model": "my-model",
    "frames": "0:20:2",
    "region": "-10 10 -20 20 -30 30",
    "device": "cpu",
    "precision": "float32",
    "tile": "16,32,48",
    "overlap": "0.5",
    "ram_gb": "4.5",
    "state_rule": "window:5",
    "warm_up_frames": "3",
    "series": "2",
}
SETTINGS = RunSettings(
    model="my-model",
    frames="0:20:2",
    region=Region((0.0, 0.0, 0.0), (20.0, 40.0, 60.0)),
    device="cpu",
    precision="float32",
    tile=(16, 32, 48),
    overlap=0.5,
    ram_gb=4.5,
    state_rule="window:5",
    warm_up_frames=3,
    series=2,
)


def test_every_setting_is_read_from_its_text():
    assert RunSettings.from_texts(TEXTS) == SETTINGS


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_setting_without_a_text_takes_its_default(empty):
    settings = RunSettings.from_texts(dict.fromkeys(TEXTS, empty))

    assert settings == RunSettings()
    assert settings.model == DEFAULT_MODEL


def test_tile_auto_is_the_default():
    assert RunSettings.from_texts({"tile": "auto"}).tile is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("frames", "every second", "give a slice such as 0:20:2"),
        ("frames", "0:5:0", "give a slice such as 0:20:2"),
        ("region", "1 2 3", "give six numbers"),
        ("region", "1 2 3 4 5 x", "'x' is not a number"),
        ("region", "1 1 3 4 5 6", "has no volume"),
        ("region", "-1e308 1e308 3 4 5 6", r"is -1e\+308 mm: give numbers up to 1e\+100"),
        ("region", "3 4 5 6 1e307 1.1e307", r"is 1e\+307 mm"),
        ("region", "3 4 5 6 -inf inf", "is -inf mm"),
        ("precision", "float8", "unknown precision"),
        ("tile", "16,32", "is not D,H,W"),
        ("overlap", "1", "overlap must be"),
        ("overlap", "half", "'half' is not a number"),
        ("ram_gb", "0", "RAM limit must be more than 0"),
        ("ram_gb", "nan", "RAM limit must be more than 0"),
        ("ram_gb", "inf", "RAM limit must be more than 0"),
        ("ram_gb", "1e300", "RAM limit must be more than 0"),
        ("tile", "8,8," + "9" * 5000, "is not D,H,W"),
        ("state_rule", "window:" + "9" * 5000, "use carry, window:N or reset"),
        ("warm_up_frames", "3000000", "or above 1000"),
        ("state_rule", "forever", "use carry, window:N or reset"),
        ("warm_up_frames", "two", "'two' is not a whole number"),
        ("warm_up_frames", "-1", "cannot be below 0"),
        ("series", "second", "'second' is not a whole number"),
        ("series", "0", "counted from 1"),
    ],
)
def test_text_that_makes_no_sense_is_refused_with_what_to_do(name, text, message):
    with pytest.raises(InputError, match=message):
        RunSettings.from_texts({name: text})


@pytest.mark.parametrize("settings", [RunSettings(), SETTINGS])
def test_settings_survive_json(settings):
    assert RunSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("text", ["{", "[]", '{"colour": "red"}', '{"tile": 8}', '{"region": {"center": "nowhere"}}'])
def test_json_of_something_else_is_refused(text):
    with pytest.raises(InputError, match="no run settings"):
        RunSettings.from_json(text)


@pytest.mark.parametrize(
    ("frames", "numbers"),
    [
        ("all", [0, 1, 2, 3, 4]),
        ("1:", [1, 2, 3, 4]),
        ("::2", [0, 2, 4]),
        ("-2:", [3, 4]),
        ("1, 3", [1, 3]),
        ("4", [4]),
    ],
)
def test_frames_are_chosen_by_a_slice_or_by_their_numbers(frames, numbers):
    assert RunSettings(frames=frames).frame_numbers(5) == numbers


@pytest.mark.parametrize("frames", ["5", "0,9", "-1", "7:9"])
def test_frames_that_the_sequence_does_not_have_are_refused(frames):
    with pytest.raises(InputError, match="the sequence has frames 0 to 4"):
        RunSettings(frames=frames).frame_numbers(5)


@pytest.mark.parametrize("frames", ["2,0", "1,1", "0,2,1,4", "::-1", "4:0:-2", "0,-1"])
def test_frames_in_another_order_or_twice_are_refused(frames):
    with pytest.raises(InputError, match=f"frames {frames}: .* give ascending numbers, such as 0:20:2 or 0,5,7"):
        RunSettings(frames=frames)


def test_numbers_of_frames_become_a_text_that_names_them():
    assert RunSettings(frames=frames_text([0, 3])).frame_numbers(5) == [0, 3]
