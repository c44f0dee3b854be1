"""Waiting for worker processes and their events."""

import time

from CLSTMSegmentLib.worker.events import Done, Failed

PATIENCE_S = 60


def wait(condition, pause_s=0.02, patience_s=PATIENCE_S, said=lambda: ""):
    """Wait until a condition is true, and return its value; `said` adds to the message when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited too long {said()}"
        time.sleep(pause_s)
    return found


def events_until(worker, *kinds):
    """Return all events of a worker up to the first one of some kinds; a worker that ends before is an error."""
    events = []

    def come():
        events.extend(worker.poll())
        return any(isinstance(event, (*kinds, Done, Failed)) for event in events)

    wait(come)
    assert events_of(kinds, events), events
    return events


def events_of(kind, events):
    """Return the events of one or more kinds."""
    return [event for event in events if isinstance(event, kind)]
