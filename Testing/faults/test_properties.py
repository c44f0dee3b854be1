"""What holds for every input: random geometry, tiles and requests; and random bytes only ever raise our own error."""

import contextlib
import json
import shutil

import numpy as np
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame, SequenceIndex
from CLSTMSegmentLib.engine.frame_grid import FrameGrid
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.tiles import TileBlender, plan_tiles
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.phantoms.heart import HEART_AXES
from CLSTMSegmentLib.worker.events import EVENTS, EventReader
from conftest import smallModel
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
few = settings(some, max_examples=15)

edges = st.integers(1, 60)
shapes = st.tuples(edges, edges, edges)
spacings = st.tuples(*[st.floats(0.3, 12.0)] * 3)


@st.composite
def directions(draw):
    """Any rotation, left-handed or not."""
    q = draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))
    reoriented, _ = np.linalg.qr(np.array(q).reshape(3, 3) + 3 * np.eye(3)[draw(st.permutations(range(3)))])
    return reoriented * draw(st.sampled_from([1.0, -1.0]))


@st.composite
def images(draw, largest=24):
    shape = draw(st.tuples(*[st.integers(1, largest)] * 3))
    values = np.random.default_rng(draw(st.integers(0, 2**31))).integers(0, 255, shape)
    image = sitk.GetImageFromArray(values.astype(draw(st.sampled_from(["u1", "i2", "f4", "f8"]))))
    image.SetSpacing(draw(spacings))
    image.SetOrigin(draw(st.tuples(*[st.floats(-500, 500)] * 3)))
    image.SetDirection(draw(directions()).ravel().tolist())
    return image


@some
@given(shapes, st.tuples(*[st.integers(1, 70)] * 3), st.floats(0, 0.95))
def test_every_voxel_is_covered_and_the_weights_of_a_constant_sum_to_one(shape, tile, overlap):
    places = plan_tiles(shape, tile, overlap)
    blender = TileBlender(1, shape, tuple(map(min, shape, tile)))
    for place in places:
        blender.add(place, torch.ones(1, *(part.stop - part.start for part in place)))
    result = blender.result()
    assert torch.isfinite(result).all()
    torch.testing.assert_close(result, torch.ones(1, *shape))


@some
@given(images(), st.sampled_from([None, (8.0, 2.0, 2.0), (3.0, 3.0, 3.0)]))
def test_labels_return_to_the_very_voxels_of_their_frame(image, spacing):
    grid = FrameGrid(image, GeometryRule(axes=HEART_AXES, slice_axis="thickest", spacing=spacing))
    reoriented = grid.reoriented(image)
    back = grid.to_image((reoriented > 100).astype(np.uint8), image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image) > 100)
    assert (back.GetOrigin(), back.GetSpacing(), back.GetDirection()) == (
        image.GetOrigin(),
        image.GetSpacing(),
        image.GetDirection(),
    )


@few
@given(images(), st.integers(2, 5), st.data())
def test_a_run_gives_the_wanted_frames_with_their_geometry_and_index_values_and_no_other(image, count, data):
    values = data.draw(st.lists(st.text(min_size=1, max_size=8), min_size=count, max_size=count, unique=True))
    wanted = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    overlap = data.draw(st.floats(0, 0.9))
    frames = [Frame(image + n, value) for n, value in enumerate(values)]
    results = list(Segmenter(smallModel(), "cpu", overlap=overlap).segment(frames, sorted(wanted)))
    assert [result.number for result in results] == sorted(wanted)
    for result in results:
        assert result.index_value == values[result.number]
        assert result.labels.GetSize() == image.GetSize()
        assert result.labels.GetSpacing() == image.GetSpacing()
        assert result.labels.GetOrigin() == image.GetOrigin()
        assert result.labels.GetDirection() == image.GetDirection()


@few
@given(st.integers(0, 2), st.floats(-300, 300), st.integers(0, 2**31))
def test_frame_moved_in_space_gets_the_same_labels(axis, far, seed):
    voxels = np.random.default_rng(seed).integers(0, 255, (12, 20, 16)).astype(np.uint8)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((3.0, 3.0, 8.0))
    moved = sitk.Image(image)
    moved.SetOrigin(tuple(far if n == axis else 0.0 for n in range(3)))
    here, there = (next(Segmenter(smallModel(), "cpu").segment([Frame(i, "0")])).labels for i in (image, moved))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(here), sitk.GetArrayFromImage(there))


@settings(some, max_examples=5)
@given(st.integers(0, 2**31), st.sampled_from([0, 1]))
@example(seed=325, axis=1)
def test_structure_moved_by_whole_strides_of_the_network_moves_its_labels(seed, axis):
    """Where up-sampling is even, the network moves with what it sees by steps of 8 voxels, far from the border."""
    patch = np.random.default_rng(seed).integers(0, 255, (8, 16, 16)).astype(np.uint8)
    network = {"in_channels": 1, "classes": 3, "width": 2, "last_stage": "none", "align_corners": False}
    model = smallModel(geometry=GeometryRule(), network=network)
    found = []
    for step in (0, 8):
        voxels = np.zeros((8, 184, 184), np.uint8)
        start = [80, 80]
        start[axis] += step
        voxels[:, start[0] : start[0] + 16, start[1] : start[1] + 16] = patch
        labels = next(Segmenter(model, "cpu").segment([Frame(sitk.GetImageFromArray(voxels), "0")])).labels
        array = sitk.GetArrayFromImage(labels)
        found.append(array[:, start[0] - 4 : start[0] + 20, start[1] - 4 : start[1] + 20])
    assert len(np.unique(found[0])) > 1
    np.testing.assert_array_equal(found[0], found[1])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(some, max_examples=200)
@given(draws=st.data())
def test_description_changed_at_random_is_a_model_or_our_error(draws, bundle, tmp_path):
    content = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    for _ in range(draws.draw(st.integers(1, 3))):
        table = content
        while True:
            key = draws.draw(st.sampled_from(sorted(table) if isinstance(table, dict) else range(len(table))))
            inner = table[key]
            if isinstance(inner, (dict, list)) and inner and draws.draw(st.booleans()):
                table = inner
                continue
            table[key] = draws.draw(json_values)
            break
    folder = tmp_path / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle, folder)
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with contextlib.suppress(InputError):
        load_model(folder).build_network()


@some
@given(content=st.binary(max_size=400))
def test_random_bytes_are_no_description_weights_or_checkpoint(content, bundle, tmp_path):
    folder = tmp_path / "bytes"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle, folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8")) | {"sha256": ""}
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    (folder / "weights.safetensors").write_bytes(content)
    (folder / "bytes.pth").write_bytes(content)
    refused = 0
    for source in (folder, folder / "bytes.pth"):
        try:
            load_model(source).build_network()
        except InputError:
            refused += 1
    (folder / "model.json").write_bytes(content)
    try:
        load_model(folder)
    except InputError:
        refused += 1
    assert refused == 3


@some
@given(draws=st.data())
def test_sequence_file_damaged_at_random_is_a_sequence_or_our_error(draws, tmp_path):
    like = sitk.Image((4, 3, 2), sitk.sitkInt16)
    path = tmp_path / "x.seq.nrrd"
    write_sequence(path, SequenceIndex(["0", "40"], "time", "ms"), [like, like])
    content = bytearray(path.read_bytes())
    for _ in range(draws.draw(st.integers(1, 4))):
        at = draws.draw(st.integers(0, len(content) - 1))
        content[at : at + draws.draw(st.integers(0, 8))] = draws.draw(st.binary(max_size=8))
    path.write_bytes(bytes(content))
    with contextlib.suppress(InputError):
        sequence = read_sequence(path)
        for number in range(len(sequence)):
            assert sequence[number].image.GetDimension() == 3


@some
@given(content=st.binary(max_size=300))
def test_random_bytes_among_the_events_are_our_error_or_nothing(content, tmp_path):
    (tmp_path / EVENTS).write_bytes(content)
    try:
        events = EventReader(tmp_path).read()
    except InputError:
        return
    assert all(isinstance(event, dict) and isinstance(event.get("event"), str) for event in events)
