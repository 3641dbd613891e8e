"""What a log is taken to tell of attention, worked out on paper; and the curves that it is measured by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from coachsim.fitting.curves import GRID, Places, lognormal, opening
from coachsim.fitting.evidence import Evidence
from coachsim.fitting.likelihood import OfAcks, OfPrompts
from coachsim.fitting.observed import Observed, policy_of
from coachsim.models import Priority
from coachsim.outcome import NEVER
from coachsim.people.rota import IN as ROTA_IN
from coachsim.people.rota import OUT as ROTA_OUT
from coachsim.people.rota import Rota
from coachsim.scenario import Attention
from tests.unit.analysis_logs import log_of
from tests.unit.floors import BREAK, HOUR, IN, MINUTE, OUT, TEN, Desk

SECOND = 1_000_000


class Morning(Desk):
    """Agents without pages, whose toasts show at once; times are minutes after 10:00."""

    def at(self, minutes: float) -> None:
        self.until(TEN + round(minutes * MINUTE))

    def audit(self, action: str, agent_id: str) -> None:
        self._do(self.floor.audit, actor="tess", action=action, subject=agent_id)

    def night(self, number: int = 1) -> None:
        self.until(TEN + (17 + 24 * (number - 1)) * HOUR)


@contextmanager
def seen(desk: Desk, folder: Path) -> Iterator[tuple[Observed, Evidence]]:
    with log_of(folder, desk.events) as log:
        observed = Observed.of(log)
        yield observed, Evidence.of(observed)


def prompts_of(observed: Observed, evidence: Evidence, agent_id: str) -> list[tuple]:
    """An agent's prompts: earlier, minutes since the toast and the notice, and whether it was read."""
    mine = evidence.prompts.agent == observed.agents.index(agent_id)
    columns = (evidence.prompts.earlier, evidence.prompts.since_toast / 60, evidence.prompts.since_notice / 60)
    rows = zip(*(column[mine].tolist() for column in columns), (evidence.prompts.look[mine] != NEVER), strict=True)
    return [
        (k, None if np.isnan(toast) else round(toast, 6), round(told, 6), bool(done)) for k, toast, told, done in rows
    ]


def test_prompts_run_while_their_agent_is_there_and_end_as_they_do(tmp_path):
    desk = Morning()
    desk.log_in("a1", "a2", page=False)
    desk.send("a1", "a2")
    desk.at(5)
    desk.state("a1", BREAK)
    desk.at(10)
    desk.state("a1", OUT)
    desk.at(30)
    desk.state("a1", IN)
    desk.at(40)
    desk.send("a1", "a2", priority=Priority.URGENT)
    desk.at(45)
    desk.read("a1")
    desk.at(50)
    desk.send("a2", expires_at=TEN + 60 * MINUTE)
    desk.at(70)
    desk.state("a2", BREAK)
    desk.at(72)
    desk.send("a2")  # on a break: not told of it, and read along
    desk.at(75)
    desk.read("a2")
    desk.at(80)
    desk.send("a2", "a3")  # a2 still on the break: looks at what nothing called for
    desk.at(81)
    desk.read("a2")
    desk.at(90)
    desk.log_in("a3", page=False)
    desk.at(120)
    desk.state("a3", OUT)
    desk.night()
    with seen(desk, tmp_path) as (observed, evidence):
        assert prompts_of(observed, evidence, "a1") == [(0, 25, 25, True), (1, 5, 5, True)]
        assert prompts_of(observed, evidence, "a2") == [(0, 75, 75, True), (1, 35, 35, True), (2, 10, 10, False)]
        assert prompts_of(observed, evidence, "a3") == [(0, None, 30, False)]
        assert evidence.prompts.urgent.tolist() == [False, True, False, True, False, False]
        looks = evidence.prompts.look.tolist()
        assert looks[0] == looks[1] != looks[2] == looks[3] and looks[4:] == [NEVER, NEVER]
        assert (evidence.deliveries, evidence.looks, evidence.unprompted, evidence.lookers) == (8, 2, 1, 2)


def test_a_clear_down_by_hand_ends_what_was_unread(tmp_path):
    desk = Morning()
    desk.log_in("a1", page=False)
    desk.send("a1")
    desk.at(20)
    desk.clear_by_hand()
    desk.at(30)
    desk.read("a1")
    desk.night()
    with seen(desk, tmp_path) as (observed, evidence):
        assert prompts_of(observed, evidence, "a1") == [(0, 20, 20, False)]


def test_acknowledging_runs_in_presence_until_the_night_also_after_expiry(tmp_path):
    desk = Morning()
    desk.log_in("a1", "a2", page=False)
    asked = desk.send("a1", "a2", ack_required=True, expires_at=TEN + 10 * MINUTE)
    desk.send("a1", "a2")
    desk.at(1)
    desk.read("a1")
    desk.read("a2")
    desk.state("a1", OUT)
    desk.at(21)
    desk.state("a1", IN)
    desk.at(23)
    desk.ack("a1", asked)
    desk.at(31)
    desk.state("a2", OUT)
    desk.night()
    with seen(desk, tmp_path) as (_, evidence):
        assert (evidence.acks.since_read / 60).tolist() == pytest.approx([2, 30])
        assert evidence.acks.acknowledged.tolist() == [True, False]


def test_nothing_of_an_agent_counts_from_a_taken_seat_to_the_end_of_the_day_in_which_it_is_given_back(tmp_path):
    desk = Morning()
    desk.log_in("a1", "a2", page=False)
    desk.send("a1", "a2")
    desk.at(4)
    desk.audit("seat_taken", "a1")
    desk.at(5)
    desk.read("a1")  # by the person
    desk.send("a1", "a2")
    desk.at(7)
    desk.read("a2")
    desk.at(9)
    desk.audit("seat_given_back", "a1")
    desk.at(10)
    desk.send("a1")  # the second is still unread and calls too, but nobody knows since when
    desk.at(11)
    desk.read("a1")
    desk.night()
    desk.until(TEN + 24 * HOUR)
    desk.send("a1")
    desk.wait(3 * MINUTE)
    desk.read("a1")
    desk.night(2)
    with seen(desk, tmp_path) as (observed, evidence):
        assert prompts_of(observed, evidence, "a1") == [(0, 4, 4, False), (0, 3, 3, True)]
        assert prompts_of(observed, evidence, "a2") == [(0, 7, 7, True), (1, 2, 2, True)]
        assert evidence.in_seats == 2
        assert evidence.deliveries == 4


def test_a_seat_that_nobody_gave_back_ends_with_a_restart(tmp_path):
    desk = Morning()
    desk.log_in("a1", page=False)
    desk.audit("seat_taken", "a1")
    desk.send("a1")
    desk.at(1)
    desk._do(desk.floor.restart)
    desk.log_in("a1", page=False)
    desk.send("a1")
    desk.night()
    desk.until(TEN + 24 * HOUR)
    desk.send("a1")
    desk.night(2)
    with seen(desk, tmp_path) as (observed, evidence):
        assert evidence.in_seats == 2
        assert len(prompts_of(observed, evidence, "a1")) == 1


def test_what_came_into_an_open_dialog_called_nobody(tmp_path):
    desk = Morning()
    desk.log_in("a1")  # with a page, which has its dialog open and reports at each arrival
    desk.send("a1")
    desk.wait(SECOND)
    desk.read("a1")
    desk.at(10)
    late = desk.send("a1")  # a hidden tab: the bell at once, the toast two minutes later
    desk.at(12)
    desk.toasts("a1", late)
    desk.at(13)
    desk.read("a1")
    desk.night()
    with seen(desk, tmp_path) as (observed, evidence):
        assert evidence.into_dialog == 1
        assert prompts_of(observed, evidence, "a1") == [(1, 1, 3, True)]
        assert (evidence.prompts.lag / 60).tolist() == pytest.approx([2])


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=8),
    st.integers(0, 2),
    st.integers(0, 59),
    st.integers(0, 59),
)
def test_presence_between_two_moments_is_what_counting_gives(cuts, row, one, other):
    """``Rota.gone`` for rows of random spans, counted minute by minute."""
    spans = []
    for number in range(3):
        edges = sorted({cut for mine, cut in cuts if mine == number})
        spans += [(number, start, end) for start, end in zip(edges[0::2], edges[1::2], strict=False)]
    at = [
        (number, moment, state)
        for number, *ends in spans
        for moment, state in zip(ends, (ROTA_IN, ROTA_OUT), strict=True)
    ]
    columns = [np.array([entry[place] for entry in at], np.int64) for place in range(3)]
    edges = [np.array([entry[place] for entry in spans], np.int64) for place in range(3)]
    rota = Rota(3, 60, (), columns[0], columns[1], columns[2].astype(np.int8), np.full(len(at), NEVER), *edges)
    one, other = sorted((one, other))
    gone = rota.gone(np.array([row, row]), np.array([one, other]))
    assert gone[1] - gone[0] == sum(
        any(mine == row and start <= minute < end for mine, start, end in spans) for minute in range(one, other)
    )


# --- the curves ---


@pytest.mark.parametrize(("median", "sigma", "call"), [(25.0, 0.8, 240.0), (10.0, 0.3, 600.0), (200.0, 1.5, 60.0)])
def test_the_delay_on_top_of_a_call_is_the_integral(median, sigma, call):
    made = opening(median, sigma, 0.7, call)
    shape = stats.lognorm(sigma, scale=median)
    for seconds in (3.0, 20.0, 90.0, 400.0, 2_000.0):
        place = Places.of(np.array([seconds]))
        waiting, _ = integrate.quad(lambda u, x=seconds: shape.pdf(u) * np.exp((u - x) / call), 0, seconds, limit=200)
        longer, density = place(made.longer)[0], place(made.density)[0] / seconds
        assert longer == pytest.approx(shape.sf(seconds) + 0.7 * waiting, abs=2e-4)
        assert density == pytest.approx(0.3 * shape.pdf(seconds) + 0.7 * waiting / call, rel=0.02, abs=1e-9)
    # What is lost of the longer share is what the density adds up to.
    assert np.trapezoid(made.density, np.log(GRID)) == pytest.approx(made.longer[0] - made.longer[-1], abs=1e-3)


def test_the_likelihood_of_two_competing_prompts_is_the_formula(tmp_path):
    desk = Morning()
    desk.log_in("a1", page=False)
    asked = desk.send("a1", ack_required=True)
    desk.at(5)
    desk.send("a1", priority=Priority.URGENT)
    desk.at(6)
    desk.read("a1")
    desk.at(7)
    desk.ack("a1", asked)
    desk.send("a1")
    desk.at(27)
    desk.state("a1", OUT)
    desk.night()
    model = Attention(tau_s=6.0, fatigue=0.1, bell_never=0.2)
    values = model.model_dump()
    opened = opening(model.open_median_s, model.open_sigma, model.occupancy, model.call_mean_s)
    bell = lognormal(model.bell_median_s, model.bell_sigma, model.bell_never)

    def share(minutes: float, seconds: float, earlier: int) -> tuple[float, float]:
        """Still unanswered after so long, and the density there."""
        place = Places.of(np.array([60 * minutes]))
        q = (1 - np.exp(-seconds / 6.0)) * 0.9**earlier
        longer = q * place(opened.longer)[0] + (1 - q) * place(bell.longer)[0]
        return longer, (q * place(opened.density)[0] + (1 - q) * place(bell.density)[0]) / (60 * minutes)

    (first, f1), (second, f2), (third, _) = share(6, 8, 0), share(1, 60, 1), share(20, 8, 2)
    with seen(desk, tmp_path) as (observed, evidence), log_of_policy(tmp_path) as policy:
        whole = OfPrompts(evidence.prompts, len(observed.agents), policy)(values)
        acks = OfAcks(evidence.acks, len(observed.agents))(values)
    assert whole.sum() == pytest.approx(np.log(first * second * third * (f1 / first + f2 / second)))
    logged = stats.lognorm(model.ack_sigma, scale=model.ack_median_s).pdf(60.0)
    assert acks.sum() == pytest.approx(np.log((1 - model.ack_never) * logged), abs=0.02)


@contextmanager
def log_of_policy(folder: Path) -> Iterator:
    from coachsim import open_log

    with open_log(folder / "log.duckdb") as log:
        yield policy_of(log)
