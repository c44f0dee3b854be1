"""Work of a helper thread, one step ahead of its user or one step behind."""

import threading
from contextlib import closing

import pytest
from CLSTMSegmentLib.core.helper_thread import one_ahead, one_behind

PATIENCE_S = 30


class SlowStandIn:
    """A reader or writer of items, each of which takes as long as the test wants."""

    def __init__(self, fails_at=None):
        self.begun = [threading.Event() for _ in range(6)]
        self.may_end = [threading.Event() for _ in range(6)]
        self.ended = []
        self._fails_at = fails_at

    def work(self, number):
        self.begun[number].set()
        assert self.may_end[number].wait(PATIENCE_S)
        if number == self._fails_at:
            raise OSError(f"item {number} is broken")
        self.ended.append(number)
        return 10 * number

    def let_all_end(self):
        for event in self.may_end:
            event.set()


def test_items_come_in_order_and_only_the_next_one_is_made_meanwhile():
    reader = SlowStandIn()
    reader.let_all_end()

    for n, item in enumerate(one_ahead(reader.work, range(6))):
        assert item == 10 * n
        if n < 5:
            assert reader.begun[n + 1].wait(PATIENCE_S)  # it is made while this one is used
        assert not any(event.is_set() for event in reader.begun[n + 2 :])


def test_error_comes_in_the_place_of_its_item():
    reader = SlowStandIn(fails_at=2)
    reader.let_all_end()
    items = one_ahead(reader.work, range(6))

    assert [next(items), next(items)] == [0, 10]
    with pytest.raises(OSError, match="item 2 is broken"):
        next(items)


def test_iterator_that_is_left_early_waits_for_its_thread():
    reader = SlowStandIn()
    reader.let_all_end()
    before = threading.active_count()

    with closing(one_ahead(reader.work, range(6))) as items:
        next(items)

    assert reader.ended == [0, 1]
    assert threading.active_count() == before


def test_no_items_are_no_error():
    assert list(one_ahead(str, [])) == []


def test_action_runs_while_the_block_goes_on_but_never_two_at_once():
    writer = SlowStandIn()

    with one_behind(writer.work) as write:
        write(0)
        assert writer.begun[0].wait(PATIENCE_S)
        assert writer.ended == []  # the block goes on before it is written
        second = threading.Thread(target=write, args=(1,))
        second.start()
        assert not writer.begun[1].wait(0.1)
        writer.let_all_end()
        second.join()
        write(2)

    assert writer.ended == [0, 1, 2]


def test_error_of_an_action_is_raised_by_the_next_call():
    writer = SlowStandIn(fails_at=0)
    writer.let_all_end()

    with pytest.raises(OSError, match="item 0 is broken"), one_behind(writer.work) as write:
        write(0)
        write(1)

    assert writer.ended == []


def test_error_of_the_last_action_is_raised_at_the_end_of_the_block():
    writer = SlowStandIn(fails_at=1)
    writer.let_all_end()

    with pytest.raises(OSError, match="item 1 is broken"), one_behind(writer.work) as write:
        write(0)
        write(1)


def test_error_of_the_block_counts_more_and_waits_for_the_action():
    writer = SlowStandIn(fails_at=0)
    writer.let_all_end()

    with pytest.raises(KeyboardInterrupt), one_behind(writer.work) as write:
        write(0)
        raise KeyboardInterrupt

    assert writer.begun[0].is_set()
