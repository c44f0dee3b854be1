"""Waiting for what workers say."""

import time

PATIENCE_S = 60


def wait(condition, pause_s=0.02):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(pause_s)


def events_until(runner, *last):
    """All events up to the first of some kinds."""
    events = []

    def ended():
        events.extend(runner.poll())
        return any(event["event"] in last for event in events)

    wait(ended)
    return events
