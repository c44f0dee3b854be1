"""The settings of a teaching job: what makes no sense is refused, and they survive JSON."""

import json
from dataclasses import asdict, replace

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.model.rules import IntensityRule
from CLSTMSegmentLib.teaching.teaching_settings import MOST_SEGMENTS, NEW_MODEL_INTENSITY, TeachingSettings
from CLSTMSegmentLib.teaching.training_set import TrainingSet

from teaching.small_teaching import HOOK, hook_training_set


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../hook"}, "a model's name is letters"),
        ({"segments": ()}, "nothing is annotated: draw at least one segment"),
        ({"segments": (HOOK,) * (MOST_SEGMENTS + 1)}, "8 segments are too many: at most 7"),
        ({"minutes": 0}, "the minutes must be above 0, not 0"),
        ({"minutes": float("nan")}, "the minutes must be above 0, not nan"),
        ({"minutes": float("inf")}, "the minutes must be above 0, not inf"),
        ({"segments": (HOOK, replace(HOOK, id="b"))}, "two segments have the same name 'Hook'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        TeachingSettings(**{"name": "hook", "segments": (HOOK,)} | change)


def test_settings_survive_json():
    chamber = Segment("v", "Ventricle", PALETTE[1], {"type": ["SCT", "87878005", "Left ventricle"]}, True)
    settings = TeachingSettings("hook", (HOOK, chamber), "airway-phantom", 2.5, "cpu", hold_out_frames=False)
    settings = replace(settings, propagated_frames=((0, 3), (1, 2)))

    assert TeachingSettings.from_json(json.loads(json.dumps(asdict(settings)))) == settings


def test_intensities_are_scaled_as_the_initial_model_does_but_over_the_whole_sequence(bundle, hook, tmp_path):
    path = tmp_path / "stacks"
    path.mkdir()
    content = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    content["intensity"] = asdict(IntensityRule("min-max", zero_below=0.08, over="stack"))
    (path / "model.json").write_text(json.dumps(content), encoding="utf-8")

    rules = [TeachingSettings("hook", (HOOK,), initial).intensity_rule() for initial in (None, str(path))]

    assert rules == [NEW_MODEL_INTENSITY, IntensityRule("min-max", zero_below=0.08, over="sequence")]
    written = hook_training_set(tmp_path / "job", hook, (0,), initial=str(path))
    assert TrainingSet.read(tmp_path / "job").windows[0].rule == written.windows[0].rule == rules[1]


def test_initial_model_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="no model 'nowhere'"):
        TeachingSettings("hook", (HOOK,), "nowhere").intensity_rule()
