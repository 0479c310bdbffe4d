from __future__ import annotations

from edge.processes.pauses import Pauses


def test_workers_that_die_at_once_are_waited_with_twice_as_long_each_time() -> None:
    pauses, waited = Pauses(), []
    for _ in range(9):
        pauses.ended(1.5)
        waited.append(pauses.next())

    assert waited == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_viewers_of_a_worker_that_served_do_not_wait_however_often_it_is_killed() -> None:
    pauses = Pauses()
    for _ in range(20):
        pauses.ended(6.5)
        assert pauses.next() == 0.1
