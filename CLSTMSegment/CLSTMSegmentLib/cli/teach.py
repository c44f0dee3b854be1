"""`clstm-segment teach`: a model of your own structures from a few annotated frames."""

import shutil
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from ..core.atomic_write import write_bytes
from ..core.device_names import check_device_name
from ..core.errors import Cancelled, InputError
from ..core.plain_files import file_version
from ..core.progress import TeachingProgress
from ..io.sequence_files import files_of_sequence, read_sequence
from ..model.description import check_name
from ..pipeline.output_paths import check_outputs, check_own_folder
from ..propagation.confident_frames import confident_frames
from ..report.matplotlib_import import import_matplotlib_if_installed
from ..teaching.annotation_files import files_of_annotations, read_annotations
from ..teaching.teaching_folders import (
    check_new_model,
    check_no_job,
    check_nobody_teaches,
    preview_path,
    started_job,
    teaching_folder,
)
from ..teaching.teaching_settings import TeachingSettings
from ..teaching.training_set import TrainingSet, least_complete, write_training_set
from .annotation_options import MARKS, Annotated, frame_marks, segments_for
from .progress_bar import progress_bar
from .resumed_teaching import DEFAULT_MINUTES, check_resumed
from .run_options import add_segments_option, path_in
from .terminal import show, show_warnings


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "pairs",
        type=path_in,
        nargs="*",
        metavar="IMAGES LABELS",
        help="a sequence and its annotation: a label sequence in which frames of zeros are not annotated, or a folder "
        "of label images named by frame number (0.nrrd, 12.nii.gz); more pairs may follow",
    )
    parser.add_argument("--name", required=True, help="name of the new model")
    parser.add_argument(
        "--models",
        type=path_in,
        default=Path(),
        metavar="FOLDER",
        help="folder in which the folder of the model is made (default: the current folder)",
    )
    add_segments_option(parser)
    parser.add_argument(
        "--ejecting-chamber",
        metavar="NAME,NAME",
        default="",
        help="names of the segments that are heart chambers and eject blood; only these get an ejection fraction",
    )
    parser.add_argument(
        "--initial", metavar="NAME|FOLDER|FILE.pth", help="model to begin with (default: random weights)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=DEFAULT_MINUTES,
        help=f"time that the teaching job may take (default: {DEFAULT_MINUTES:g})",
    )
    parser.add_argument(
        "--whole",
        metavar="0,12|all",
        default="",
        help="numbers, from 0, of frames without the segments that are not drawn",
    )
    parser.add_argument(
        "--slices",
        metavar="0,12|all",
        default="",
        help="numbers of frames that are annotated only in the slices in which something is drawn",
    )
    parser.add_argument(
        "--partly",
        metavar="0,12|all",
        default="",
        help="numbers of frames with only parts of the segments",
    )
    parser.add_argument(
        "--propagate",
        action="store_true",
        help="propagate the annotated frames, as `propagate` does, and learn from the frames without a flag too; the "
        "quality is not measured then",
    )
    parser.add_argument("--cyclic", action="store_true", help="with --propagate: the first frame follows the last one")
    parser.add_argument(
        "--no-check", dest="hold_out_frames", action="store_false", help="do not measure the quality on held-out frames"
    )
    parser.add_argument(
        "--picture", type=path_in, metavar="PNG", help="write a picture of an annotated frame and the result"
    )
    parser.add_argument("--resume", action="store_true", help="resume the unfinished teaching job of this name")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Write the training set, teach, remove the training set; Ctrl-C ends the job with the best network so far.

    Raises:
        InputError: images and annotations that cannot be used.
        RunFailed: the job could not be finished.
        Cancelled: a second Ctrl-C, or another signal to stop.
    """
    check_name(options.name)
    check_device_name(options.device)
    check_own_folder(options.models)
    check_new_model(options.models, options.name)
    folder = teaching_folder(options.models, options.name)
    if options.picture is not None:
        inputs = [file for path in options.pairs[::2] for file in files_of_sequence(path)]
        inputs += [file for path in options.pairs[1::2] for file in files_of_annotations(path)]
        initial = [] if options.initial is None else [options.initial]
        check_outputs([options.picture], inputs, initial, reserved=(folder, options.models / options.name))
        before = file_version(options.picture)
    if not options.resume:
        check_no_job(folder, "give --resume")
        _write_training_set(folder, options)
    else:
        check_resumed(TrainingSet.read(folder), options)
        check_nobody_teaches(folder)
    with started_job(folder):
        # this needs MONAI, which is not installed everywhere, and takes seconds to import
        from ..teaching.teaching_job import teach

        with (
            _asked_to_stop() as asked,
            tqdm(total=100, disable=options.quiet or None, bar_format="{desc}|{bar}| {n:.0f} %") as bar,
        ):
            try:
                result = teach(folder, options.models, lambda progress: _show(bar, progress), lambda: bool(asked))
            except KeyboardInterrupt as error:
                raise Cancelled(
                    f"stopped; the teaching job is not finished: give --resume to go on, or remove {folder}"
                ) from error
            except InputError:
                # nothing was learnt, and the folder holds images
                if not options.resume and not any(folder.rglob("*.pt")):
                    shutil.rmtree(folder)
                raise
    for note in result.notes:
        show(note)
    if options.picture is not None and preview_path(folder).exists():
        if file_version(options.picture) == before:
            write_bytes(options.picture, preview_path(folder).read_bytes())
        else:
            show_warnings([f"{options.picture} stays as it is: somebody else made or changed it during the job"])
    shutil.rmtree(folder)
    show(f"{result.folder}: clstm-segment segment INPUT -o OUTPUT --model {result.folder}")


@contextmanager
def _asked_to_stop() -> Iterator[list[bool]]:
    """Yield a list that is filled at the first Ctrl-C; the second one interrupts as usual.

    Where the caller ignores Ctrl-C, as a shell does for what it starts with `&`, it stays ignored.
    """
    asked: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield asked
        return

    def on_interrupt(*_: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        show("")
        show("stopping: the best network so far is kept (press Ctrl-C again to discard it)", flush=True)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _show(bar: tqdm, progress: TeachingProgress) -> None:
    place = f"training {progress.training} of {progress.trainings}"
    left = "" if progress.seconds_left is None else f", {progress.seconds_left} s left"
    bar.set_description_str(f"{place}, loss {progress.loss:.3f}{left}")
    bar.update(100 * progress.step / progress.steps - bar.n)
    is_fold = progress.training < progress.trainings
    if is_fold and progress.step == progress.steps and progress.dice is not None:
        bar.write(f"{place}: Dice {progress.dice:.3f} of the held-out frames")


def _write_training_set(folder: Path, options: Namespace) -> None:
    if options.cyclic and not options.propagate:
        raise InputError("--cyclic says how frames are propagated: give --propagate too")
    if not options.pairs or len(options.pairs) % 2:
        raise InputError("give a sequence and its annotation, or several such pairs")
    sequences = []
    for images, labels in zip(options.pairs[::2], options.pairs[1::2], strict=True):
        frames = read_sequence(images)
        show_warnings(frames.warnings)
        sequences.append((frames, read_annotations(labels, frames)))
    files = [file for labels in options.pairs[1::2] for file in files_of_annotations(labels)]
    marks = frame_marks({mark: getattr(options, mark) for mark in MARKS}, sequences)
    segments = segments_for(options.segments, options.ejecting_chamber, sequences, files)
    propagated: tuple[tuple[int, int], ...] = ()
    if options.propagate:
        annotated, (sequences, propagated) = sequences, _with_propagated(sequences, options)
        least = [
            least_complete(marks.get((s, n), "drawn") for n in annotations)
            for s, (_, annotations) in enumerate(annotated)
        ]
        marks |= {(s, n): least[s] for s, n in propagated}
    settings = TeachingSettings(
        options.name,
        segments,
        options.initial,
        options.minutes,
        options.device,
        options.hold_out_frames,
        propagated,
    )
    import_matplotlib_if_installed()  # MONAI will do it; it may fail, so it is done before images are written
    write_training_set(folder, settings, sequences, marks)


def _with_propagated(sequences: Annotated, options: Namespace) -> tuple[Annotated, tuple[tuple[int, int], ...]]:
    """Return the sequences with the frames that a propagation annotates too, and these frames by (sequence, number)."""
    complete, propagated = [], []
    for s, (frames, annotations) in enumerate(sequences):
        with progress_bar(options.quiet) as progress:
            found = confident_frames(frames, annotations, options.cyclic, progress)
        flagged = len(frames) - len(annotations) - len(found)
        show(f"{len(found)} propagated frames are learnt from too, and {flagged} are not, because they are flagged")
        complete.append((frames, annotations | found))
        propagated += [(s, number) for number in found]
    return complete, tuple(propagated)
