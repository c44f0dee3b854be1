"""Properties of every input: random geometry, tiles and frames; and random bytes raise no error but an InputError."""

import contextlib
import json
import shutil

import numpy as np
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.progress import Progress, TeachingProgress
from CLSTMSegmentLib.core.sequence import Frame, SequenceIndex
from CLSTMSegmentLib.engine.frame_grid import FrameGrid
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings, frames_text
from CLSTMSegmentLib.engine.tiles import TileBlender, plan_tiles
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.phantoms.heart import HEART_AXES
from CLSTMSegmentLib.worker.events import Done, Failed, FrameDone, Note, Started, event_from_line
from CLSTMSegmentLib.worker.work_folder import WorkFolder
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
    """Any three orthogonal directions, right-handed or left-handed."""
    q = draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))
    rotation, _ = np.linalg.qr(np.array(q).reshape(3, 3) + 3 * np.eye(3)[draw(st.permutations(range(3)))])
    return rotation * draw(st.sampled_from([1.0, -1.0]))


@st.composite
def images(draw, largest=24):
    """Any image of up to `largest` voxels along each axis."""
    shape = draw(st.tuples(*[st.integers(1, largest)] * 3))
    values = np.random.default_rng(draw(st.integers(0, 2**31))).integers(0, 255, shape)
    image = sitk.GetImageFromArray(values.astype(draw(st.sampled_from(["u1", "i2", "f4", "f8"]))))
    image.SetSpacing(draw(spacings))
    image.SetOrigin(draw(st.tuples(*[st.floats(-500, 500)] * 3)))
    image.SetDirection(draw(directions()).ravel().tolist())
    return image


def segmented(model, image):
    """Return the labels of a sequence of one image."""
    (frame,) = Segmenter(model, RunSettings(device="cpu")).segment([Frame(image, "0")])
    return sitk.GetArrayFromImage(frame.labels)


@some
@given(shapes, st.tuples(*[st.integers(1, 70)] * 3), st.floats(0, 0.95))
def test_tiles_cover_every_voxel_and_blend_a_constant_to_itself(shape, tile, overlap):
    places = plan_tiles(shape, tile, overlap)
    blender = TileBlender(1, shape, tuple(map(min, shape, tile)), torch.device("cpu"))

    for place in places:
        blender.add(place, torch.ones(1, *(part.stop - part.start for part in place)))
    result = blender.result()

    assert torch.isfinite(result).all()
    torch.testing.assert_close(result, torch.ones(1, *shape))


@some
@given(images(), st.sampled_from([None, (8.0, 2.0, 2.0), (3.0, 3.0, 3.0)]))
def test_labels_return_to_the_voxels_of_their_frame(image, spacing):
    grid = FrameGrid(image, GeometryRule(axes=HEART_AXES, slice_axis="thickest", spacing=spacing))

    labels = grid.to_image((grid.reoriented(image) > 100).astype(np.uint8), image)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(image) > 100)
    for geometry in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(labels, geometry)() == getattr(image, geometry)()


@few
@given(images(), st.integers(2, 5), st.data())
def test_run_gives_the_wanted_frames_and_no_other_with_their_geometry_and_index_values(image, count, data):
    values = data.draw(st.lists(st.text(min_size=1, max_size=8), min_size=count, max_size=count, unique=True))
    wanted = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))
    settings = RunSettings(device="cpu", frames=frames_text(wanted), overlap=data.draw(st.floats(0, 0.9)))
    frames = [Frame(image + n, value) for n, value in enumerate(values)]

    results = list(Segmenter(smallModel(), settings).segment(frames))

    assert [result.number for result in results] == wanted
    for result in results:
        assert result.index_value == values[result.number]
        for geometry in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(result.labels, geometry)() == getattr(image, geometry)()


@few
@given(st.integers(0, 2), st.floats(-300, 300), st.integers(0, 2**31))
def test_frame_moved_in_space_gets_the_same_labels(axis, distance, seed):
    image = sitk.GetImageFromArray(np.random.default_rng(seed).integers(0, 255, (12, 20, 16)).astype(np.uint8))
    image.SetSpacing((3.0, 3.0, 8.0))
    moved = sitk.Image(image)
    moved.SetOrigin(tuple(distance if n == axis else 0.0 for n in range(3)))

    here, there = (segmented(smallModel(), one) for one in (image, moved))

    np.testing.assert_array_equal(here, there)


@settings(some, max_examples=5)
@given(st.integers(0, 2**31), st.sampled_from([0, 1]))
@example(seed=325, axis=1)
def test_structure_moved_by_8_voxels_moves_its_labels(seed, axis):
    """Where up-sampling is even, the network is equivariant to steps of 8 voxels, far from the border."""
    patch = np.random.default_rng(seed).integers(0, 255, (8, 16, 16)).astype(np.uint8)
    network = NetworkOptions(classes=3, width=2, last_stage="none", align_corners=False)
    model, found = smallModel(geometry=GeometryRule(), network=network), []

    for step in (0, 8):
        voxels = np.zeros((8, 184, 184), np.uint8)
        start = [80, 80]
        start[axis] += step
        voxels[:, start[0] : start[0] + 16, start[1] : start[1] + 16] = patch
        labels = segmented(model, sitk.GetImageFromArray(voxels))
        found.append(labels[:, start[0] - 4 : start[0] + 20, start[1] - 4 : start[1] + 20])

    assert len(np.unique(found[0])) > 1
    np.testing.assert_array_equal(found[0], found[1])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(some, max_examples=200)
@given(draws=st.data())
def test_description_changed_at_random_is_a_model_or_an_input_error(draws, bundle, tmp_path):
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
def test_sequence_file_damaged_at_random_is_a_sequence_or_an_input_error(draws, tmp_path):
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


EVENT_TYPES = (Started, Note, Progress, TeachingProgress, FrameDone, Done, Failed)


@some
@given(content=st.binary(max_size=300))
def test_random_bytes_among_the_events_are_events_or_an_input_error(content, tmp_path):
    (tmp_path / "events.jsonl").write_bytes(content)

    with contextlib.suppress(InputError):
        events = WorkFolder(tmp_path).new_events()
        assert all(isinstance(event, EVENT_TYPES) for event in events)


@some
@given(draws=st.data())
def test_event_with_random_content_is_an_event_or_an_input_error(draws):
    kind = draws.draw(st.sampled_from([kind.__name__ for kind in EVENT_TYPES]))
    content = draws.draw(st.dictionaries(st.sampled_from(["device", "text", "number", "report"]), json_values))

    with contextlib.suppress(InputError):
        event = event_from_line(json.dumps({"event": kind} | content).encode())
        assert isinstance(event, EVENT_TYPES)
