"""Options of a teaching job that is resumed: they must be those with which it was begun."""

from argparse import Namespace

from ..core.errors import InputError
from ..teaching.training_set import TrainingSet
from .run_options import names_in
from .terminal import show

DEFAULT_MINUTES = 8.0


def check_resumed(job: TrainingSet, options: Namespace) -> None:
    """Raise an InputError if an option is another one than the job was begun with; say what it goes on with."""
    settings = job.settings
    chambers = {segment.name for segment in settings.segments if segment.ejecting_chamber}
    asks_for_another = {
        "--segments": options.segments is not None
        and names_in(options.segments) != [segment.name for segment in settings.segments],
        "--ejecting-chamber": options.ejecting_chamber and set(names_in(options.ejecting_chamber)) != chambers,
        "--initial": options.initial not in (None, settings.initial),
        "--minutes": options.minutes not in (DEFAULT_MINUTES, settings.minutes),
        "--device": options.device not in ("auto", settings.device),
        "--propagate": options.propagate and not settings.propagated_frames,
        "--cyclic": options.cyclic and not settings.propagated_frames,
        "--no-check": settings.hold_out_frames and not options.hold_out_frames,
    } | {f"--{mark}": not _is_marked(job, mark, getattr(options, mark)) for mark in ("whole", "slices", "partly")}
    for option in (option for option, is_another in asks_for_another.items() if is_another):
        raise InputError(
            f"{option} is not what the teaching job in {job.folder} was begun with: leave it out, or remove the folder "
            "and begin again"
        )
    show(
        f"{job.folder}: goes on with the {len(job.frames)} annotated frames with which it was begun; no others are read"
    )


def _is_marked(job: TrainingSet, mark: str, frames: str) -> bool:
    """Return whether the drawn frames that an option names are those that have the mark; nothing named is right too."""
    if not frames:
        return True
    marked = {(frame.sequence, frame.number): frame.mark == mark for frame in job.frames}
    for propagated in job.settings.propagated_frames:
        del marked[propagated]
    if frames == "all":
        return all(marked.values())
    return frames.split(",") == [str(number) for (_, number), is_marked in marked.items() if is_marked]
