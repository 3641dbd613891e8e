"""The analysts' notebooks: what they say of a log is what SQL says of it, and of a log of nothing they say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from coachsim import MessageLog, Scenario, open_log, simulate
from coachsim.log import LogWriter, Run
from tests.notebooks.conftest import make
from tests.notebooks.running import FOLDER, NOTEBOOKS, WIDGET, Cells, asks_a_log, complaints, numbers, run, text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
OF_A_LOG = [name for name in NOTEBOOKS if asks_a_log(name)]
YESTERDAY, CHANCE, CLEARED, STATE, WEEK, TOMORROW = OF_A_LOG
COUNTS = re.compile(r"\(([\d,]+) of ([\d,]+)\)")


@pytest.fixture(scope="module")
def outputs(sample: Path) -> Callable[[str], Cells]:
    """Runs a notebook on the sample log, once."""
    return cache(partial(run, COACHSIM_DATA=str(sample)))


@pytest.fixture
def log(sample: Path) -> Iterator[MessageLog]:
    with open_log(sample) as opened:
        yield opened


def asked(log: MessageLog, query: str) -> list[Any]:
    """The first row of what SQL answers."""
    return log.sql(query).iloc[0].tolist()


def said_of(sentence: str) -> list[int]:
    """The first count with what it is of: '8 % (2 of 25)' is 2, 25."""
    found = COUNTS.search(sentence)
    assert found is not None, sentence
    return [int(number.replace(",", "")) for number in found.groups()]


@pytest.mark.parametrize("name", OF_A_LOG)
def test_it_runs_on_a_log_file_and_complains_of_nothing(outputs, sample: Path, name: str) -> None:
    cells = outputs(name)
    assert complaints(cells) == []
    assert str(sample) in text(cells, "open")
    assert any(WIDGET in one.get("data", {}) for said in cells.values() for one in said)
    assert "Nothing" not in text(cells, "answer")


@pytest.mark.parametrize("name", OF_A_LOG)
def test_of_a_day_without_messages_it_says_that_nothing_was_sent(silent: Path, name: str) -> None:
    cells = run(name, COACHSIM_DATA=str(silent))
    assert complaints(cells) == []
    assert text(cells, "answer").startswith("'Nothing was sent ")


def test_a_log_on_which_no_day_has_begun_is_no_error_either(tmp_path: Path) -> None:
    LogWriter.open(tmp_path / "log.duckdb", Run()).close()
    cells = run(YESTERDAY, COACHSIM_DATA=str(tmp_path))
    assert complaints(cells) == []
    assert "as of no event yet" in text(cells, "open")
    assert text(cells, "answer") == "'Nothing was sent in this log.'"


def test_yesterdays_unread_rates_are_those_of_the_newest_day_that_is_over(outputs, log) -> None:
    whole, *worst = text(outputs(YESTERDAY), "answer").strip("'").split("; ")
    (day,) = asked(log, "SELECT max(day) FROM deliveries WHERE cleared_at IS NOT NULL")
    assert whole.startswith(f"{day}: ")
    counted = f"SELECT count(*) - count(read_at), count(*) FROM deliveries WHERE day = '{day}'"
    assert said_of(whole) == asked(log, counted)
    cells = log.sql(f"""
        SELECT team, hour(timezone('Europe/London', timezone('UTC', sent_at))) AS hour,
               count(*) - count(read_at) AS unread, count(*) AS sent
        FROM deliveries WHERE day = '{day}' GROUP BY ALL HAVING sent >= 5 ORDER BY unread / sent DESC
    """)
    there = {(row.team, row.hour): [row.unread, row.sent] for row in cells.itertuples()}
    told = {}
    for one in worst:
        place = re.match(r"(.+), sent from (\d\d):00", one)
        assert place is not None
        told[place[1], int(place[2])] = said_of(one)
    assert len(told) == 3
    assert told.items() <= there.items()
    rates = (cells.unread / cells.sent).tolist()[:3]
    assert [unread / sent for unread, sent in told.values()] == rates
    assert rates[0] > 0


def test_who_never_had_the_chance_was_logged_out_from_the_send_to_the_loss(outputs, log) -> None:
    answer = text(outputs(CHANCE), "answer")
    unread, sent = said_of(answer)
    assert [unread, sent] == asked(log, "SELECT count(*) FILTER (read_at IS NULL), count(*) FROM deliveries")
    came = """EXISTS (
        FROM state_changes WHERE state_changes.agent_id = deliveries.agent_id AND state <> 'logged_out'
        AND changed_at >= sent_at AND changed_at < lost_at
    )"""
    never, other, notified = asked(
        log,
        f"""SELECT count(*) FILTER (state_at_send = 'logged_out' AND NOT {came}),
                   count(*) FILTER (notified_at IS NULL AND (state_at_send <> 'logged_out' OR {came})),
                   count(notified_at) FROM deliveries WHERE read_at IS NULL""",
    )
    assert min(never, other, notified) > 0
    for group, count in (("never there", never), ("not notified", other), ("notified", notified)):
        assert f" {group}: {count} of {unread}" in answer
    (nobody,) = asked(
        log, "SELECT count(*) FROM (SELECT agent_id FROM deliveries GROUP BY agent_id HAVING count(read_at) = 0)"
    )
    assert f"agents who read nothing: {nobody} of 30" in answer


def test_what_the_clear_down_threw_away_and_who_could_have_been_told(outputs, log) -> None:
    cells = outputs(CLEARED)
    taken, never, earlier, kept = text(cells, "answer").strip("'").split("; ")
    cleared, announced, sent = asked(
        log,
        """SELECT count(*) FILTER (lost_at = cleared_at), count(notified_at) FILTER (lost_at = cleared_at), count(*)
           FROM deliveries""",
    )
    assert said_of(taken) == [cleared, sent]
    assert f"{cleared - announced} of {cleared}" in never
    thrown = "FROM deliveries JOIN days USING (day) WHERE lost_at = deliveries.cleared_at AND notified_at IS NULL"
    logged_in = """(
        SELECT agent_id, state, changed_at, lead(changed_at) OVER (PARTITION BY agent_id ORDER BY changed_at) AS until
        FROM state_changes
    ) AS times WHERE times.agent_id = deliveries.agent_id AND state = 'logged_in'"""
    (before,) = asked(
        log, f"SELECT count(*) {thrown} AND EXISTS (FROM {logged_in} AND changed_at <= sent_at AND until > began_at)"
    )
    (after,) = asked(
        log,
        f"""SELECT count(*) {thrown} AND EXISTS (FROM {logged_in} AND changed_at >= deliveries.cleared_at
            AND changed_at <= deliveries.cleared_at + INTERVAL 12 HOUR)""",
    )
    assert 0 < before < cleared - announced
    assert f", {before} of {cleared - announced} of these" in earlier
    assert f", {after} of {cleared - announced}" in kept
    told = [numbers(line)[2] for line in text(cells, "earlier").splitlines()[1:]]
    assert told == sorted(told)
    assert told[-1] == before


def test_the_medians_by_state_count_what_was_lost_and_the_fair_comparison_stays_within_messages(outputs, log) -> None:
    answer = text(outputs(STATE), "answer")
    table = text(outputs(STATE), "naive").splitlines()
    assert table[0].endswith(" median_s")
    for state, name in (("logged_in", "logged in"), ("break", "on a break"), ("logged_out", "logged out")):
        found = log.sql(f"""
            SELECT date_sub('second', sent_at, coalesce(read_at, lost_at)) AS seconds, read_at IS NULL AS lost
            FROM deliveries WHERE state_at_send = '{state}'
        """)
        of_state = re.search(rf"{name}: half read after [^;]*", answer)
        assert of_state is not None
        assert said_of(of_state[0]) == [found.lost.sum(), len(found)]
        curve = stats.ecdf(
            stats.CensoredData(uncensored=found.seconds[~found.lost], right=found.seconds[found.lost])
        ).sf
        (row,) = (line for line in table if f" {state} " in line)
        assert float(row.split()[-1]) == curve.quantiles[curve.probabilities <= 0.5 + 1e-9][0]
    frame = log.deliveries()
    frame["soon"] = (frame.read_at - frame.sent_at).dt.total_seconds().floordiv(1) < 3600
    weighed = {"logged_in": 0.0, "break": 0.0}
    whole = 0.0
    for _, group in frame.groupby("message_id"):
        of = {state: group[group.state_at_send == state].soon for state in weighed}
        sizes = [len(one) for one in of.values()]
        if min(sizes):
            weight = sizes[0] * sizes[1] / sum(sizes)
            whole += weight
            for state, one in of.items():
                weighed[state] += weight * one.mean()
    told = re.search(r"read within 60 min by ([\d.]+) % logged in, ([\d.]+) % on a break", answer)
    assert told is not None
    assert [float(one) for one in told.groups()] == pytest.approx(
        [100 * one / whole for one in weighed.values()], abs=0.51
    )


def test_a_log_of_another_floor_stands_out_among_simulated_weeks(outputs, log) -> None:
    cells = outputs(WEEK)
    lost, sent = asked(log, "SELECT count(lost_at), count(*) FROM deliveries")
    answer = text(cells, "answer")
    assert said_of(answer) == [lost, sent]
    assert answer.count("further than 8 of the 8") == 2
    assert "5 closed days of the log" in text(cells, "simulated")
    rows = {line.split()[0]: numbers(line) for line in text(cells, "apart").splitlines()[1:]}
    assert rows["the"][0] == pytest.approx(100 * lost / sent, abs=0.005)
    with simulate(Scenario.load(FOLDER.parent / "data/scenarios/weekday.toml"), seed=9, days=5) as week:
        lost, sent = asked(week, "SELECT count(lost_at), count(*) FROM deliveries")
    seed, rate, *_ = rows["9"]
    assert (seed, rate) == (9, pytest.approx(100 * lost / sent, abs=0.005))


def test_days_are_predicted_from_those_before_them_nearer_than_by_guessing(outputs, log) -> None:
    cells = outputs(TOMORROW)
    errors = {
        line.rsplit(maxsplit=1)[0]: numbers(line)[-1] for line in text(cells, "score").splitlines() if "  " in line
    }
    assert list(errors) == ["the fitted model", "same as yesterday", "yesterday by state", "chance"]
    assert errors["the fitted model"] < errors["same as yesterday"] / 2
    assert errors["the fitted model"] < 2 * errors["chance"]
    answer = text(cells, "answer")
    # The first day has nothing before it, and one day of this small floor is too little to learn from.
    told = re.match(r"'(\d) days \(([\d,]+) deliveries\) predicted", answer)
    assert told is not None
    days = log.sql("SELECT day, count(*) AS sent FROM deliveries GROUP BY day ORDER BY day")
    assert int(told[2].replace(",", "")) == days.sent.tail(int(told[1])).sum()
    assert int(told[1]) == 3
    # What actually happened is what SQL says of it.
    first = text(cells, "predict").splitlines()[1].split()
    actual = log.sql(
        f"""SELECT count(*) FILTER (read_at IS NULL OR read_at > sent_at + INTERVAL 1 HOUR) / count(*) AS share
            FROM deliveries WHERE day = '{first[1]}'
            AND hour(timezone('Europe/London', timezone('UTC', sent_at))) = {first[2]}"""
    ).share[0]
    assert float(first[5]) == pytest.approx(actual, abs=0.0006)
    assert len(re.findall(r"the log\b(?! cannot)", text(cells, "table"))) >= 8


def test_a_log_too_thin_to_learn_from_is_said_to_be(tmp_path: Path) -> None:
    short = {"shifts": [{"start": "08:00", "length_h": 1.0}]}
    cells = run(TOMORROW, COACHSIM_DATA=str(make(tmp_path / "thin.duckdb", days=2, **short)))
    assert complaints(cells) == []
    assert "The log is too thin to learn from" in text(cells, "answer")
