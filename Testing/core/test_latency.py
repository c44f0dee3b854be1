"""Latencies of the last frames."""

from CLSTMSegmentLib.core.latency import REMEMBERED, Latencies, Latency


def test_latency_is_that_of_the_last_frames_and_none_before_the_first():
    latencies = Latencies()
    assert latencies.latency is None

    latencies.add(1e6)  # is forgotten
    for _ in range(REMEMBERED - 1):
        latencies.add(0.2)
    latencies.add(0.5)

    assert latencies.latency == Latency(0.5, 0.2, 0.2)
