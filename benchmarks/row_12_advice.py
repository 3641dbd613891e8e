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
from coachsim.anyway import Waiting, prompts
from coachsim.days import HOUR, MINUTE
from coachsim.evaluate import evaluate
from coachsim.intervals import mean_interval, paired_interval
from coachsim.outcome import NEVER, Outcome
from coachsim.past_days import habits_of
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

    Of the first two also how many outcomes lay ``inside`` their interval, its mean ``width``, and how far ``off`` they
    were of what was expected, on average.
    """
    days = [MONDAY + timedelta(days=n) for n in range(5)]
    before = [day for n in range(4 * 7, 0, -1) if (day := MONDAY - timedelta(days=n)).weekday() < 5]
    drawn = {day: draw(scenario, [seed], day=day) for day in (*before, *days)}
    chance = np.random.default_rng(seed)
    in_time: list[list[np.ndarray]] = [[] for _ in ARMS]
    took: list[list[np.ndarray]] = [[] for _ in ARMS]
    inside: list[list[bool]] = [[] for _ in ARMS]
    width: list[list[float]] = [[] for _ in ARMS]
    off: list[list[float]] = [[] for _ in ARMS]
    for day in days:
        past = [drawn[one] for one in sorted(drawn) if one < day][-PAST:]
        usual = habits_of(past)
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
                    width[arm].append(expected.high - expected.low)
                    off[arm].append(float(share - expected.read))
    return [
        {
            "read": float(np.concatenate(shares).mean()),
            "prompt": float((np.concatenate(times) <= 10 * MINUTE).mean()),
            "median": float(np.median(np.concatenate(times)) / 1e6),
            "inside": float(np.mean(held)) if held else 0.0,
            "width": float(np.mean(widths)) if widths else 0.0,
            "off": float(np.mean(errors)) if errors else 0.0,
        }
        for shares, times, held, widths, errors in zip(in_time, took, inside, width, off, strict=True)
    ]


def _wish(real: Days, usual: Habits, so_far: Outcome, chance: np.random.Generator, scenario: Scenario) -> Wish:
    team = str(chance.choice(sorted({agent.team for agent in real.active})))
    at = int(chance.integers(FROM // MINUTE, UNTIL // MINUTE)) * MINUTE
    place = np.array([number for number, agent in enumerate(real.active) if agent.team == team])
    now = now_of(real, place, at)
    found = advice.advise(
        usual.only([real.active[one].agent_id for one in place]),
        now,
        real.keys[place],
        waiting_of(so_far, real, place, at),
        scenario.attention,
        scenario.policy,
        seed=1_000,  # not that of the week
    )
    weighed = advice.moments(at, found.by)
    later = int(chance.choice([at, *weighed]))
    advised = at if found.better is None else found.better.at
    return Wish(team, (at, advised, later), found)


def now_of(real: Days, place: np.ndarray, at: int) -> Now:
    """Where the agents at these places of a drawn day are at a moment (µs since it began)."""
    rota, rows = real.rota, np.arange(len(real.active))
    state, _ = rota.told(rows, np.full(len(rows), at))
    came = rota.came()
    came[came > at] = NEVER
    since, reason = np.zeros(len(rows), np.int64), np.full(len(rows), NEVER)
    earlier = rota.at <= at
    since[rota.row[earlier]], reason[rota.row[earlier]] = rota.at[earlier], rota.reason[earlier]
    names = tuple(rota.reasons[reason[one]] if state[one] == BREAK else None for one in place)
    return Now(at, rota.length, state[place], names, since[place], came[place])


def waiting_of(so_far: Outcome, real: Days, place: np.ndarray, at: int) -> Waiting:
    """What these agents have unread at a moment (µs since the day began), as ``so_far`` has the day."""
    at, began_at = at + real.day.began_at, real.day.began_at
    urgent = np.array([slot.message.priority == "urgent" for slot in real.slots], np.bool_)
    sent = so_far.sent_at <= at
    lost = (so_far.lost_at != NEVER) & (so_far.lost_at <= at)
    unread = sent & ~lost & ((so_far.read_at == NEVER) | (so_far.read_at > at))
    number = np.full(len(so_far.agents), NEVER)
    number[place] = np.arange(len(place))
    those = np.flatnonzero(unread & (number[so_far.agent] != NEVER))
    told = so_far.notified_at[those]
    earlier = np.bincount(so_far.agent[sent], minlength=len(so_far.agents))
    return Waiting(
        agent=number[so_far.agent[those]],
        told=np.where((told == NEVER) | (told > at), NEVER, told - began_at),
        prompt=prompts(so_far.toast_at[those] != NEVER, urgent[so_far.message[those]]),
        earlier=earlier[place],
    )


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
        inside, wide, off = (mean_interval([one[n][what] for one in found]) for what in ("inside", "width", "off"))
        claim = f"12: what was expected of those sent {arm}, {weeks * A_DAY * 5} messages"
        held, points = 100 * (inside.value or 0), 100 * (wide.value or 0)
        ours = f"{held:.1f} % of the outcomes inside the 95 % interval, {points:.1f} points wide on average"
        print(f"| {claim} | {ours} | off by {100 * (off.value or 0):+.1f} points on average | | |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
