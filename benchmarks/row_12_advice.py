"""Row 12: practice weeks in which messages go out when the advice says, at once, and at random times.

In each week eight times a day somebody wants to send a message to a team. The advice is asked at that moment, with what
a supervisor's page would know then: where everybody is, what they have unread, and the four weeks before. The same
messages are then sent at once, when the advice says (at once where it says nothing), and at a random time of those that
it had weighed; the people, their days and their draws are the same in all three. A week is one observation.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from coachsim import Scenario, advice
from coachsim.advice import Waiting
from coachsim.days import HOUR, MINUTE
from coachsim.evaluate import evaluate
from coachsim.intervals import mean_interval, paired_interval
from coachsim.outcome import NEVER, Outcome
from coachsim.people import habits
from coachsim.people.habits import Habits, Now
from coachsim.people.rota import BREAK
from coachsim.plan import Days, draw
from coachsim.scenario import PlannedMessage

WEEKDAY = Path(__file__).parents[1] / "data" / "scenarios" / "weekday.toml"
MONDAY = date(2026, 3, 2)
WEEKS, A_DAY, PAST = 20, 8, 20
FROM, UNTIL = 5 * HOUR + 30 * MINUTE, 13 * HOUR  # since the clear-down at 03:00: half past eight to four
ARMS = ("at once", "as advised", "at random")


@dataclass(frozen=True, slots=True)
class Wish:
    """A message that somebody wants to send: to which team, when it goes out in each arm, what was expected of it."""

    team: str
    moments: tuple[int, ...]
    found: advice.Advice

    @property
    def expected(self) -> tuple[advice.Prospect, ...]:
        """What the advice said of sending at once, and when it advised."""
        return self.found.now, self.found.better or self.found.now


def week(scenario: Scenario, seed: int) -> list[dict[str, float]]:
    """For each arm the share that reads in time, the share within ten minutes, and the median (s), over the week.

    Of the first two also how many outcomes lay ``inside`` their interval, and how far ``off`` they were of what was
    expected, on average.
    """
    days = [MONDAY + timedelta(days=n) for n in range(5)]
    before = [day for n in range(4 * 7, 0, -1) if (day := MONDAY - timedelta(days=n)).weekday() < 5]
    drawn = {day: draw(scenario, [seed], day=day) for day in (*before, *days)}
    ids = [agent.agent_id for agent in drawn[MONDAY].active]
    chance = np.random.default_rng(seed)
    in_time: list[list[np.ndarray]] = [[] for _ in ARMS]
    took: list[list[np.ndarray]] = [[] for _ in ARMS]
    inside: list[list[bool]] = [[] for _ in ARMS]
    off: list[list[float]] = [[] for _ in ARMS]
    for day in days:
        past = [drawn[one] for one in sorted(drawn) if one < day][-PAST:]
        usual = habits.of_rotas(ids, [one.rota for one in past])
        played = scenario.model_copy(update={"date": day})
        so_far = evaluate(played, [seed])
        wishes = [_wish(drawn[day], usual, so_far, chance, scenario) for _ in range(A_DAY)]
        for arm in range(len(ARMS)):
            more = tuple(_message(scenario, number, wish, arm) for number, wish in enumerate(wishes))
            outcome = evaluate(played.model_copy(update={"messages": (*scenario.messages, *more)}), [seed])
            for number, wish in enumerate(wishes):
                those = outcome.message == outcome.messages.index(f"wish {number}")
                read, sent = outcome.read_at[those], outcome.sent_at[those]
                by = drawn[day].day.began_at + wish.found.by
                ok = (read != NEVER) & (read < by)
                in_time[arm].append(ok)
                took[arm].append(np.where(ok, read - sent, 2 * 24 * HOUR))
                for expected in wish.expected[arm : arm + 1]:
                    share = ok.mean()
                    inside[arm].append(expected.low - 1e-9 <= share <= expected.high + 1e-9)
                    off[arm].append(float(share - expected.read))
    return [
        {
            "read": float(np.concatenate(shares).mean()),
            "prompt": float((np.concatenate(times) <= 10 * MINUTE).mean()),
            "median": float(np.median(np.concatenate(times)) / 1e6),
            "inside": float(np.mean(held)) if held else 0.0,
            "off": float(np.mean(errors)) if errors else 0.0,
        }
        for shares, times, held, errors in zip(in_time, took, inside, off, strict=True)
    ]


def _wish(real: Days, usual: Habits, so_far: Outcome, chance: np.random.Generator, scenario: Scenario) -> Wish:
    team = str(chance.choice(sorted({agent.team for agent in real.active})))
    at = int(chance.integers(FROM // MINUTE, UNTIL // MINUTE)) * MINUTE
    place = np.array([number for number, agent in enumerate(real.active) if agent.team == team])
    now = _now(real, place, at)
    found = advice.advise(
        usual.only([real.active[one].agent_id for one in place]),
        now,
        real.keys[place],
        _waiting(so_far, place, at + real.day.began_at, real.day.began_at),
        scenario.attention,
        scenario.policy,
        seed=1_000,  # not that of the week
    )
    weighed = advice.moments(at, found.by)
    later = int(chance.choice([at, *weighed]))
    advised = at if found.better is None else found.better.at
    return Wish(team, (at, advised, later), found)


def _now(real: Days, place: np.ndarray, at: int) -> Now:
    rota, many = real.rota, len(real.active)
    state, _ = rota.told(np.arange(many), np.full(many, at))
    came = rota.came()
    came[came > at] = NEVER
    since, reason = np.zeros(many, np.int64), [None] * many
    for row_of, moment, code, why in zip(rota.row, rota.at, rota.state, rota.reason, strict=True):
        if moment <= at:
            since[row_of] = moment
            reason[row_of] = rota.reasons[why] if code == BREAK else None
    return Now(at, rota.length, state[place], tuple(reason[one] for one in place), since[place], came[place])


def _waiting(so_far: Outcome, place: np.ndarray, at: int, began_at: int) -> Waiting:
    sent = so_far.sent_at <= at
    lost = (so_far.lost_at != NEVER) & (so_far.lost_at <= at)
    unread = sent & ~lost & ((so_far.read_at == NEVER) | (so_far.read_at > at))
    told = unread & (so_far.notified_at != NEVER) & (so_far.notified_at <= at)
    many = len(so_far.agents)
    newest = np.full(many, NEVER)
    np.maximum.at(newest, so_far.agent[told], so_far.notified_at[told] - began_at)
    some = np.bincount(so_far.agent[unread], minlength=many) > 0
    earlier = np.bincount(so_far.agent[sent], minlength=many)
    return Waiting(some[place], newest[place], earlier[place])


def _message(scenario: Scenario, number: int, wish: Wish, arm: int) -> PlannedMessage:
    minutes = wish.moments[arm] // MINUTE + 3 * 60
    return PlannedMessage.model_validate(
        {
            "key": f"wish {number}",
            "body": "Please read the new wording before your next call.",
            "to": {"filter": {"team": [wish.team]}},
            "at": f"{minutes // 60 % 24:02}:{minutes % 60:02}",
        }
    )


def main(weeks: int = WEEKS) -> None:
    """Prints the row."""
    scenario = Scenario.load(WEEKDAY)
    found = [week(scenario, seed) for seed in range(1, weeks + 1)]
    for measure, unit, factor in (
        ("read", "% read in time", 100.0),
        ("prompt", "% read within 10 min of sending", 100.0),
        ("median", "s median from sending to reading", 1.0),
    ):
        arms = np.array([[one[measure] * factor for one in arms] for arms in found])
        shown = ", ".join(f"{arm} {mean_interval(arms[:, n]).value:.1f}" for n, arm in enumerate(ARMS))
        for n, other in ((2, "random"), (0, "at once")):
            gain = paired_interval(arms[:, 1], arms[:, n])
            assert gain.value is not None and gain.low is not None and gain.high is not None
            claim = f"12: {weeks} practice weeks, {A_DAY * 5} messages each: {unit}, advised less {other}"
            print(f"| {claim} | {gain.value:+.1f} ({gain.low:+.1f} to {gain.high:+.1f}) | {shown} | | |", flush=True)

    for n, arm in enumerate(ARMS[:2]):
        inside, off = (mean_interval([one[n][what] for one in found]) for what in ("inside", "off"))
        claim = f"12: what was expected of those sent {arm}, {weeks * A_DAY * 5} messages"
        ours = f"{100 * (inside.value or 0):.0f} % of the outcomes inside the 95 % interval"
        print(f"| {claim} | {ours} | off by {100 * (off.value or 0):+.1f} points on average | | |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
