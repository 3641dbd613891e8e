"""A clock that jumps is noticed, holds the clear-down, and is trusted again after ten minutes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coachsim.clock import JUMP, SETTLED_AFTER, ClockWatch, SystemClock
from coachsim.days import MINUTE

MOVES = st.integers(-2 * JUMP, 2 * JUMP)


def test_a_jump_of_more_than_five_minutes_holds_until_the_clocks_have_agreed_for_ten():
    watch = ClockWatch()
    watch.look(1_000 * MINUTE, 0)
    assert watch.look(1_006 * MINUTE, 1) == 6 * MINUTE - 1
    assert watch.holding
    watch.look(1_006 * MINUTE + SETTLED_AFTER - 1, SETTLED_AFTER)
    assert watch.holding
    watch.look(1_006 * MINUTE + SETTLED_AFTER, SETTLED_AFTER + 1)
    assert not watch.holding


def test_a_clock_set_back_is_a_jump_too_and_a_second_one_starts_the_wait_anew():
    watch = ClockWatch()
    watch.look(100 * MINUTE, 0)
    assert watch.look(90 * MINUTE, 0) == -10 * MINUTE
    watch.look(199 * MINUTE, SETTLED_AFTER - MINUTE)
    watch.look(99 * MINUTE, SETTLED_AFTER - MINUTE)
    watch.look(100 * MINUTE, SETTLED_AFTER)
    assert watch.holding


def test_a_suspended_machine_is_no_jump():
    watch = ClockWatch()
    watch.look(0, 0)
    assert watch.look(8 * 60 * MINUTE, 8 * 60 * MINUTE) == 0
    assert not watch.holding


def test_a_release_ends_the_holding():
    watch = ClockWatch()
    watch.look(0, 0)
    watch.look(2 * JUMP, 0)
    watch.release()
    assert not watch.holding


@given(st.lists(MOVES, min_size=1))
def test_it_holds_exactly_when_some_single_move_was_too_large(moves):
    watch, wall = ClockWatch(), 0
    watch.look(0, 0)
    for move in moves:
        wall += move
        assert watch.look(wall, 0) == (move if abs(move) > JUMP else 0)
    assert watch.holding == any(abs(move) > JUMP for move in moves)


def test_the_systems_clocks_run():
    clock = SystemClock()
    assert clock.wall() > 1_700_000_000_000_000
    assert clock.boot() <= clock.boot()
