from __future__ import annotations

from edge.cache.tiers.switch import Switch
from tests.edge.cache.tiers.things import Clock


def test_it_is_off_after_a_failure_and_on_again_after_the_pause() -> None:
    clock = Clock()
    switch = Switch(first_pause=1, longest_pause=60, clock=clock)
    states = [switch.is_on]
    pause = switch.failed()
    states.append(switch.is_on)
    clock.now += pause
    states.append(switch.is_on)
    assert states == [True, False, True]
    assert 0.5 <= pause <= 1


def test_pauses_double_up_to_the_longest_and_start_anew_after_a_success() -> None:
    switch = Switch(first_pause=1, longest_pause=60, clock=Clock())
    pauses = [switch.failed() for _ in range(100)]
    assert all(0.5 * min(60, 2**at) <= pause <= min(60, 2**at) for at, pause in enumerate(pauses))
    switch.worked()
    assert switch.is_on
    assert switch.failed() <= 1
