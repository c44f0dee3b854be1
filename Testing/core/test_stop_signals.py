"""Signals that ask a process to stop while it does what must not be interrupted."""

import os
import signal
import sys

import pytest
from CLSTMSegmentLib.core.stop_signals import stopped_after_this, stopped_by_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_takes_effect_when_the_block_has_ended(name, request):
    usual = signal.getsignal(signal.SIGINT)  # what starts the tests may ignore Ctrl-C
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, usual))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before, done = signal.getsignal(getattr(signal, name)), []

    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        with stopped_after_this():
            os.kill(os.getpid(), getattr(signal, name))
            done.append("in the block")
        done.append("after the block")

    assert done == ["in the block"]
    assert signal.getsignal(getattr(signal, name)) == before


def test_without_a_signal_the_handlers_are_those_of_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    with stopped_after_this():
        pass

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
