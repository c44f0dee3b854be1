"""Waiting for what workers say."""

import time

PATIENCE_S = 60


def wait(condition, pause_s=0.02, patience_s=PATIENCE_S, said=lambda: ""):
    """Until something is so, which is returned; `said` is asked for what to tell when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited too long {said()}"
        time.sleep(pause_s)
    return found


def events_until(runner, *last):
    """All events up to the first of some kinds."""
    events = []

    def ended():
        events.extend(runner.poll())
        return any(event["event"] in last for event in events)

    wait(ended)
    return events
