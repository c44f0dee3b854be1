"""The line that says what a run is doing, or how it ended."""

from dataclasses import asdict

from slicer.i18n import tr as _

from .background_run import BackgroundRun


def statusOf(run: BackgroundRun, waiting: int) -> str:
    """Return what a run is doing, or how it ended.

    Args:
        run: the run.
        waiting: number of runs that wait for it.
    """
    if run.state == "done":
        return f"{_('Done: {count} frames.').format(count=len(run.curve.frames))} {run.message}".rstrip()
    if run.state != "running":
        return f"{run.message}\n{notStarted(waiting)}".rstrip()
    text = _("Starting...")
    if run.progress is not None:
        text = _("frame {frame} of {frames}, tile {tile} of {tiles}").format(**asdict(run.progress))
        if run.progress.seconds_left is not None:
            text += _(", {seconds:.0f} s left").format(seconds=run.progress.seconds_left)
    if waiting:
        text += _(" ({count} more waiting)").format(count=waiting)
    return text


def notStarted(waiting: int) -> str:
    """Return that the runs that waited do not start, because the one before them failed; empty for none."""
    if waiting == 0:
        return ""
    return _("Runs that waited for it are not started: {count}. Start them again.").format(count=waiting)
