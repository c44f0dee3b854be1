"""Segmentation of the volume files that another program writes into a folder, while it writes them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from ..core.atomic_write import replacing
from ..core.errors import InputError, StorageError, sitk_cause
from ..core.latency import Latency
from ..core.own_folder import AT_WORK, alone_in
from ..core.plain_files import check_path, resolved
from ..core.sequence import SequenceIndex
from ..core.volume_curve import FrameVolumes, VolumeCurve
from ..engine.quality import measure_frame
from ..engine.settings import RunSettings
from ..io.image_files import write_image
from ..io.input_files import file_stem
from ..io.label_mark import mark_as_labels
from ..model.bundle import load_model
from ..report.volumes_csv import write_volumes
from .output_paths import check_own_folder
from .watched_folder import WatchedFolder
from .writers import storing

if TYPE_CHECKING:
    from ..engine.segmenter import Segmenter

LOOK_EVERY_S = 0.1
VOLUMES = "volumes.csv"


@dataclass(frozen=True)
class WatchSettings:
    """What is watched, and how long.

    Attributes:
        folder: the folder into which volume files are written.
        out: a new or empty folder for the labels, and for `volumes.csv` at the end.
        order: "name" or "time"; see `WatchedFolder`.
        patience_s: seconds after which a file that cannot be read and does not change counts as damaged.
        quiet_s: ends the watch after this many seconds without a new file; None never ends it.

    Raises:
        InputError: a time that is no positive number.
    """

    folder: Path
    out: Path
    order: str = "name"
    patience_s: float = 10.0
    quiet_s: float | None = None

    def __post_init__(self):
        if not self.patience_s > 0 or (self.quiet_s is not None and not self.quiet_s > 0):
            raise InputError("a watch needs more than 0 seconds of patience, and ends after more than 0 quiet seconds")


def watch_folder(
    settings: RunSettings,
    watch: WatchSettings,
    on_frame: Callable[[FrameVolumes, Latency], None],
    on_note: Callable[[str], None],
) -> VolumeCurve:
    """Segment each volume file in a folder, in a stream, until there are no more or Ctrl-C ends it.

    The labels of `NAME.nrrd` are written to `NAME-labels.nrrd`. At the end, also after Ctrl-C, the volumes of all
    frames are written to `volumes.csv`. A file that cannot be segmented is left out, with a note.

    Args:
        settings: settings of the run; its frames must be "all".
        watch: what is watched.
        on_frame: called after each frame with its volumes, and the latency of the stream.
        on_note: called with remarks for people.

    Returns:
        The volumes of all frames, whose index values are the names of the files.

    Raises:
        InputError: settings or folders that cannot be used.
        StorageError: a result cannot be stored.
    """
    if settings.frames != "all":
        raise InputError("a watch segments all frames, since nobody knows which ones will come: leave out the frames")
    model = load_model(settings.model)
    files = WatchedFolder(watch.folder, watch.order, watch.patience_s, on_note)
    _check_empty_folder(watch.out, watch.folder)
    from ..engine.segmenter import Segmenter  # with torch, which takes seconds to import

    segmenter = Segmenter(model, settings)
    _make_folder(watch.out)
    with alone_in(watch.out, "watch"):
        return _watch(segmenter, files, watch, on_frame, on_note)


def _watch(
    segmenter: "Segmenter",
    files: WatchedFolder,
    watch: WatchSettings,
    on_frame: Callable[[FrameVolumes, Latency], None],
    on_note: Callable[[str], None],
) -> VolumeCurve:
    """Segment each file, and write the volumes however the watch ends; see `watch_folder`."""
    names: list[str] = []
    curve = VolumeCurve(segmenter.model.segments, SequenceIndex(names, "file", type="text"))
    stream = segmenter.open_stream()
    try:
        for path, image in _files(files, watch.quiet_s):
            try:
                result = stream.push(image, path.name)
                _write_labels(watch.out, path, result.labels)
            except (InputError, MemoryError) as error:
                on_note(f"{path.name} is left out: {error or 'there is not enough memory for it'}")
                continue
            except KeyboardInterrupt:
                on_note(f"{path.name} is left out: the watch was stopped before its labels were written")
                raise
            names.append(path.name)
            volumes, flags = measure_frame(result, segmenter.model.segments)
            curve.add(volumes, flags)
            for warning in stream.warnings:
                on_note(warning)
            stream.warnings.clear()
            on_frame(volumes, stream.latency)
    except KeyboardInterrupt:
        on_note("stopped")
    finally:
        stream.close()
        files.end()
        _write_volumes(watch.out, curve, on_note)
    return curve


def _write_volumes(folder: Path, curve: VolumeCurve, on_note: Callable[[str], None]) -> None:
    """Write the volumes into a folder, under another name where somebody has put a file of this name there."""
    names = chain([VOLUMES], (VOLUMES.replace(".", f"-{n}.") for n in count(2)))
    path = next(folder / name for name in names if not (folder / name).exists() and not (folder / name).is_symlink())
    if path.name != VOLUMES:
        on_note(f"the volumes are in {path.name}: somebody else wrote {VOLUMES} during the watch")
    with replacing(path) as partial, storing(partial):
        write_volumes(partial, curve)


def _write_labels(folder: Path, file: Path, labels: sitk.Image) -> None:
    """Write the labels of a volume file into a folder.

    Args:
        file: the volume file.

    Raises:
        InputError: there is such a file already, or its name would be too long.
        StorageError: the disk is full or cannot be written, or the folder was removed.
    """
    target = folder / f"{file_stem(file)}-labels.nrrd"
    if not folder.is_dir():
        raise StorageError(f"{folder} was removed during the watch, so that no labels can be written")
    check_path(target)
    if target.exists():
        raise InputError(
            f"{target.name} exists already, from a file of the same name but another suffix, or from another program"
        )
    with storing(target):
        try:
            mark_as_labels(labels)
            write_image(target, labels, compressed=True)
        except RuntimeError as error:
            raise StorageError(f"{target.name} cannot be written ({sitk_cause(error)})") from error


def _files(files: WatchedFolder, quiet_s: float | None) -> Iterator[tuple[Path, sitk.Image]]:
    """Yield each file with its image, until no new one comes for some seconds and none waits to become complete."""
    last = time.monotonic()
    while quiet_s is None or time.monotonic() - last < quiet_s:
        found = files.look()
        if found is not None:
            yield found
        if found is not None or files.any_waits():
            last = time.monotonic()
        if found is None:
            time.sleep(LOOK_EVERY_S)


def _check_empty_folder(folder: Path, watched: Path) -> None:
    check_own_folder(folder)
    if resolved(folder) == resolved(watched):
        raise InputError(f"{folder} is the watched folder: give another one, or the labels would be segmented again")
    if folder.exists() and (not folder.is_dir() or any(not path.name.startswith(AT_WORK) for path in folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder: give a new or empty one, so that nothing is replaced")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}): choose another place") from error
