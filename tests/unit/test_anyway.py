"""Looking anyway: for what is unread already and for what comes later, each by its own toast or bell, once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from coachsim.anyway import BELL, NO_LOOK, TOAST, Anyway, Waiting, looks_anyway
from coachsim.days import HOUR, MINUTE, SECOND
from coachsim.outcome import NEVER
from coachsim.people import habits
from coachsim.people.attention import Sampler
from coachsim.people.draws import Draws, keys
from coachsim.people.habits import Now
from coachsim.people.rota import BREAK, IN
from coachsim.people.sent import Sent
from coachsim.scenario import Attention, Policy

AGENTS, REPS, AT = [f"a{n}" for n in range(40)], 100, 10 * HOUR
BELLS = Attention.model_validate({"tau_s": 1e6, "bell_median_s": 600, "bell_sigma": 0.7, "bell_never": 0.0})


def asked(waiting: Waiting, attention: Attention, *, later: list[int] | None = None, state: int = IN) -> Anyway:
    """Everybody is here all day, or on a break for the next half hour; each day they are sent something ``later``."""
    many, at = len(AGENTS), np.array(later or [], np.int64)
    row, message = np.repeat(np.arange(many), len(at)), np.tile(np.arange(len(at)), many)
    sent = Sent(row, message, at, np.full(len(at), 24 * HOUR), np.zeros(len(at), np.bool_))
    steps = [(one, 5 * HOUR, IN, NEVER) for one in range(many)]
    if state == BREAK:
        steps = [(one, *step) for one in range(many) for step in ((5 * HOUR, IN, NEVER), (AT, BREAK, 0))]
        steps += [(one, AT + HOUR // 2, IN, NEVER) for one in range(many)]
        steps.sort()
    rows, ats, states, whys = np.array(steps, np.int64).T
    of = habits.of_changes(AGENTS, 1, 24 * HOUR, ("lunch",), (rows, ats, states.astype(np.int8), whys), sent)
    reasons = ("lunch" if state == BREAK else None,) * many
    now = Now(AT, 24 * HOUR, np.full(many, state, np.int8), reasons, np.full(many, AT), np.full(many, 5 * HOUR))
    draws = Draws(tuple(range(REPS)), 0)
    rest = of.rest_of_day(now, keys(AGENTS), draws, REPS)
    sampler = Sampler(attention, Policy.model_validate({}), draws)
    return looks_anyway(rest, now, waiting, sampler, draws, keys(AGENTS))


def unread(*told: int, prompt: int = BELL, earlier: int | None = None) -> Waiting:
    """Each agent was told at these moments of one message each, which is unread."""
    many = len(AGENTS)
    sent = np.full(many, len(told) if earlier is None else earlier)
    agent = np.repeat(np.arange(many), len(told))
    return Waiting(agent, np.tile(np.array(told, np.int64), many), np.full(len(agent), prompt, np.int8), sent)


def first_looks(found: Anyway) -> np.ndarray:
    return found.next_looks(REPS * len(AGENTS), np.array([AT]))[0]


def left(gone_s: float, seconds: np.ndarray) -> np.ndarray:
    """The share that has not looked at a bell so much later, of those who had not by now."""
    bell = stats.lognorm(BELLS.bell_sigma, scale=BELLS.bell_median_s)
    return np.asarray(bell.sf(gone_s + seconds) / bell.sf(gone_s))


def test_each_unread_message_makes_them_look_by_what_is_left_of_its_own_bell() -> None:
    seconds = np.array([60, 300, 900, 1_800])
    looked = (first_looks(asked(unread(AT - 5 * MINUTE, AT - 20 * MINUTE), BELLS)) - AT) / SECOND
    share = (looked[:, None] > seconds).mean(axis=0)
    assert share == pytest.approx(left(300, seconds) * left(1_200, seconds), abs=0.03)


def test_what_comes_later_makes_them_look_by_its_own_and_is_not_there_before_it_comes() -> None:
    seconds = np.array([60, 300, 900, 1_800])
    both = first_looks(asked(unread(AT - 5 * MINUTE), BELLS, later=[AT + 10 * MINUTE]))
    share = ((both - AT)[:, None] / SECOND > seconds).mean(axis=0)
    later = np.where(seconds > 600, left(0, np.maximum(seconds - 600, 0)), 1.0)
    assert share == pytest.approx(left(300, seconds) * later, abs=0.03)


def test_who_has_looked_is_prompted_by_what_they_read_no_more() -> None:
    """A look of one moment reads all: after it there is none, until something else is sent."""
    found = asked(unread(AT - MINUTE, AT - MINUTE, AT - MINUTE), BELLS)
    assert np.bincount(found.look_row, minlength=REPS * len(AGENTS)).tolist() == [1] * (REPS * len(AGENTS))
    more = asked(unread(AT - MINUTE, AT - MINUTE), BELLS, later=[AT + 12 * HOUR])
    assert np.bincount(more.look_row).max() == 2
    assert (more.next_looks(REPS * len(AGENTS), np.array([AT, AT + 12 * HOUR]))[1] >= AT + 12 * HOUR).all()


def test_a_toast_on_the_screen_is_noticed_less_by_whom_so_many_were_sent_before_it() -> None:
    quick = {"tau_s": 4.0, "fatigue": 0.05, "open_median_s": 10, "open_sigma": 0.1, "occupancy": 0, "bell_never": 1.0}
    attention = Attention.model_validate(quick)
    for earlier in (1, 21):
        looked = first_looks(asked(unread(AT, prompt=TOAST, earlier=earlier), attention)) != NO_LOOK
        # The message that waits is the last of so many.
        assert looked.mean() == pytest.approx((1 - np.exp(-8 / 4)) * 0.95 ** (earlier - 1), abs=0.03)


def test_of_toasts_that_nobody_has_followed_for_a_while_most_were_not_noticed() -> None:
    quick = {"tau_s": 4.0, "fatigue": 0, "open_median_s": 10, "open_sigma": 0.1, "occupancy": 0, "bell_never": 1.0}
    found = asked(unread(AT - 5 * MINUTE, prompt=TOAST), Attention.model_validate(quick))
    assert (first_looks(found) == NO_LOOK).all()


def test_who_is_on_a_break_looks_at_what_comes_during_it_when_they_are_back() -> None:
    quick = {"tau_s": 4.0, "bell_median_s": 60, "bell_sigma": 0.0, "bell_never": 0.0}
    found = asked(unread(), Attention.model_validate(quick), later=[AT + 10 * MINUTE], state=BREAK)
    assert {*(first_looks(found) - AT).tolist()} == {HOUR // 2 + MINUTE}


def test_how_many_were_sent_before_each_moment_is_counted() -> None:
    found = asked(unread(), BELLS, later=[AT + 10 * MINUTE, AT + 20 * MINUTE])
    moments = np.array([AT, AT + 10 * MINUTE, AT + 15 * MINUTE, AT + HOUR])
    assert found.sent_before(REPS * len(AGENTS), moments).T.tolist() == [[0, 1, 1, 2]] * (REPS * len(AGENTS))
