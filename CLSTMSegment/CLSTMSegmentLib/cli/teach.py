"""`clstm-segment teach`: a model of your own structure from a few annotated frames."""

import shutil
import signal
from argparse import ArgumentParser, Namespace
from pathlib import Path

import SimpleITK as sitk
from tqdm import tqdm

from ..core.errors import InputError
from ..core.segment import PALETTE, Segment
from ..io.image_files import read_image, reading
from ..io.sequence_files import IMAGE_SUFFIXES, FileSequence, read_sequence
from ..model.description import check_name
from ..teaching.training_set import PREVIEW, Lesson, lesson_folder, write_lesson


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "pairs",
        type=Path,
        nargs="*",
        metavar="IMAGES LABELS",
        help="a sequence and its annotation: a label sequence in which frames of zeros are not annotated, or a folder "
        "of label images named by frame number (0.nrrd, 12.nii.gz); more pairs may follow",
    )
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--models", type=Path, default=Path(), metavar="FOLDER", help="where to put it (default: here)")
    parser.add_argument("--segments", metavar="NAME,NAME", help="of the labels 1, 2, ... (default: Segment 1, ...)")
    parser.add_argument("--initial", metavar="NAME|FOLDER|FILE.pth", help="model to begin with (default: from nothing)")
    parser.add_argument("--minutes", type=float, default=8.0, help="it may take (default: 8)")
    parser.add_argument(
        "--whole", metavar="0,12|all", default="", help="frames whose segments that are not drawn are not there either"
    )
    parser.add_argument(
        "--slices", metavar="0,12|all", default="", help="frames in which only the slices are known that are drawn in"
    )
    parser.add_argument(
        "--partly", metavar="0,12|all", default="", help="frames in which only what is drawn is known, and nothing else"
    )
    parser.add_argument("--no-check", dest="check", action="store_false", help="leave no frames out to check")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="keep the last picture of how it stood")
    parser.add_argument("--resume", action="store_true", help="go on with the lesson of this name")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options: Namespace) -> None:
    """Write the lesson, learn it, remove it; Ctrl-C ends it and keeps the best so far.

    Raises:
        InputError: images and annotations that cannot be used, or a lesson that cannot be learnt.
    """
    check_name(options.name)
    folder = lesson_folder(options.models, options.name)
    if not options.resume:
        if folder.exists():
            raise InputError(f"{folder} holds a lesson already: go on with --resume, or remove it")
        new_lesson(options, folder)
    # MONAI is needed for this, and not installed everywhere
    from ..teaching.teacher import teach

    stopped = []

    def stop(*_: object) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.append(True)
        print("\nstopping: the best so far is kept (again to give up)", flush=True)

    before = signal.signal(signal.SIGINT, stop)
    try:
        with tqdm(total=100, disable=options.quiet or None, bar_format="{desc}|{bar}| {n:.0f} %") as bar:

            def say(event: str, **details: object) -> None:
                if event == "progress":
                    left = "" if details["seconds_left"] is None else f", {details['seconds_left']} s left"
                    bar.set_description_str(f"part {details['place']}, loss {details['loss']:.3f}{left}")
                    bar.update(100 * details["step"] / details["steps"] - bar.n)
                elif event == "score":
                    bar.write(f"part {details['place']}: Dice {details['dice']:.3f} of the frames left out")
                else:
                    bar.write(str(details["text"]))

            model = teach(folder, options.models, say, lambda: not stopped)
    finally:
        signal.signal(signal.SIGINT, before)
    if options.picture is not None and (folder / PREVIEW).exists():
        shutil.copyfile(folder / PREVIEW, options.picture)
    shutil.rmtree(folder)
    print(f"{model}: clstm-segment segment INPUT -o OUTPUT --model {model}")


def new_lesson(options: Namespace, folder: Path) -> None:
    """Write the lesson that the options describe."""
    if not options.pairs or len(options.pairs) % 2:
        raise InputError("give a sequence and its annotation, or several such pairs")
    sequences = []
    for images, labels in zip(options.pairs[::2], options.pairs[1::2], strict=True):
        frames = read_sequence(images)
        sequences.append((frames, read_annotations(labels, frames)))
    marks: dict[tuple[int, int], str] = {}
    for mark in ("whole", "slices", "partly"):
        marks |= dict.fromkeys(_marked(mark, getattr(options, mark), sequences), mark)
    segments = segments_for(options.segments, sequences)
    lesson = Lesson(options.name, segments, (), options.initial, options.minutes, options.device, options.check)
    write_lesson(folder, lesson, sequences, marks)


def _marked(
    mark: str, frames: str, sequences: list[tuple[FileSequence, dict[int, sitk.Image]]]
) -> list[tuple[int, int]]:
    """Sequence and number of the annotated frames that an option names."""
    if frames == "all":
        return [(s, number) for s, (_, annotations) in enumerate(sequences) for number in annotations]
    if frames and len(sequences) > 1:
        raise InputError(f"--{mark} {frames}: with several sequences, only `all` is clear")
    try:
        numbers = [int(number) for number in frames.split(",") if number]
    except ValueError as error:
        raise InputError(f"--{mark} {frames}: give frame numbers such as 0,12, or all") from error
    for number in numbers:
        if number not in sequences[0][1]:
            raise InputError(f"--{mark} {frames}: frame {number} is not annotated")
    return [(0, number) for number in numbers]


def segments_for(names: str | None, sequences: list[tuple[FileSequence, dict[int, sitk.Image]]]) -> tuple[Segment, ...]:
    """A segment for every label, with the names given."""
    if names is None:
        greatest = max(
            (_greatest(labels) for _, annotations in sequences for labels in annotations.values()), default=0
        )
        wanted = [f"Segment {n + 1}" for n in range(greatest)]
    else:
        wanted = [name.strip() for name in names.split(",")]
    return tuple(Segment(f"segment-{n}", name, PALETTE[(n - 1) % len(PALETTE)]) for n, name in enumerate(wanted, 1))


def _greatest(labels: sitk.Image) -> int:
    statistics = sitk.MinimumMaximumImageFilter()
    statistics.Execute(labels)
    return int(statistics.GetMaximum())


def read_annotations(path: Path, frames: FileSequence) -> dict[int, sitk.Image]:
    """Label images by the number of the frame that they annotate.

    Args:
        path: a folder of files named by frame number, or a label sequence; that has as many frames, or
            index values by which its frames are found among `frames`, and zeros alone mean that a
            frame is not annotated.

    Raises:
        InputError: it cannot be read, or belongs to other frames.
    """
    if path.is_dir():
        files = {p.name.split(".")[0]: p for p in path.iterdir() if p.name.lower().endswith(IMAGE_SUFFIXES)}
        wrong = [p.name for stem, p in files.items() if not stem.isdecimal()]
        if wrong or not files:
            raise InputError(f"{path} must hold label images named by frame number, such as 0.nrrd ({wrong[:3]})")
        return {int(stem): _read_labels(file) for stem, file in files.items()}
    sequence = read_sequence(path)
    numbers = range(len(sequence))
    if len(sequence) != len(frames):
        missing = [value for value in sequence.index.values if value not in frames.index.values]
        if missing:
            raise InputError(
                f"{path} has {len(sequence)} frames, the images {len(frames)}, and there is none at {missing[0]}"
            )
        numbers = [frames.index.values.index(value) for value in sequence.index.values]
    drawn = ((t, sequence[n].image) for n, t in enumerate(numbers))
    return {t: labels for t, labels in drawn if _greatest(labels) > 0}


def _read_labels(path: Path) -> sitk.Image:
    with reading(path):
        return read_image(path)
