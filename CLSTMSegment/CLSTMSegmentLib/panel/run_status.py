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
        return run.message
    text = _("Starting...")
    if run.progress is not None:
        text = _("frame {frame} of {frames}, tile {tile} of {tiles}").format(**asdict(run.progress))
        if run.progress.seconds_left is not None:
            text += _(", {seconds:.0f} s left").format(seconds=run.progress.seconds_left)
    if waiting:
        text += _(" ({count} more waiting)").format(count=waiting)
    return text
