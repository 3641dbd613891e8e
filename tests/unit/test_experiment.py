"""Comparisons: the same people on the same days, however the work is cut; refusals before anything runs."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import popen_spawn_posix
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from coachsim import compare, simulate, sweep
from coachsim.errors import CoachsimWarning, InvalidInput, UnknownMessage
from coachsim.evaluate import evaluate
from coachsim.experiment import run, runs
from coachsim.experiment.work import Task, Variant, WorkersLost, local_processes, usable_cores
from coachsim.plan import floor_of
from coachsim.scenario import Scenario, ScenarioError
from coachsim.tally import MEASURES, Tally
from tests.unit.days_of import message, scenario

COLUMNS = [
    "value",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "replications",
    "seed",
    "left_out",
]
PEOPLE = {"agents": 40, "teams": 2, "campaigns": 1, "lists": 1, "queues": 1}
CHANCE = {
    "tau_s": 8.0,
    "fatigue": 0.02,
    "open_sigma": 0.8,
    "occupancy": 0.5,
    "bell_sigma": 1.0,
    "bell_never": 0.4,
    "ack_sigma": 0.5,
    "ack_never": 0.1,
}


def usual(**values: Any) -> Scenario:
    """A day of chance: some are absent, some miss the toast, some never look at the bell."""
    given = {
        "name": "Usual",
        "floor": PEOPLE,
        "absence": 0.1,
        "shifts": [{"start": "09:00"}, {"start": "13:00", "length_h": 4.0}],
        "attention": CHANCE,
        "messages": [
            message("10:00", ack_required=True),
            message("14:00", to="a team", expires_after_min=60.0),
            message("16:00", to={"filter": {"team": ["Team 1"]}}),
        ],
    }
    return scenario(**given | values)


def longer() -> Scenario:
    """Toasts of 20 s instead of 8."""
    return usual(name="Longer", policy={"toast_seconds": 20.0})


def value(table: pd.DataFrame, measure: str, variant: str, column: str = "value") -> float:
    return float(table.set_index(["variant", "measure"]).loc[(variant, measure), column])


def test_a_comparison_has_a_row_for_each_variant_and_measure() -> None:
    table = compare(usual(), longer(), replications=30, seed=11)
    assert list(table.columns) == ["variant", "measure", *COLUMNS]
    assert list(zip(table.variant, table.measure, strict=True)) == [
        (variant, measure) for variant in ("Usual", "Longer") for measure in MEASURES
    ]
    assert set(table.replications) == {30}
    assert set(table.seed) == {11}
    assert table.attrs["seeds"] == list(range(11, 41))
    assert table.attrs["interrupted"] is False
    assert table.attrs["versions"]["numpy"] == np.__version__
    baseline = table[table.variant == "Usual"]
    assert (baseline[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)
    for measure in ("read", "lost_rate", "median_read_s"):
        found = value(table, measure, "Longer", "difference")
        assert found == pytest.approx(value(table, measure, "Longer") - value(table, measure, "Usual"))
    assert value(table, "read", "Longer", "difference_low") > 0


def test_the_numbers_are_those_of_the_days() -> None:
    first, second = usual(), longer()
    table = compare(first, second, replications=25, seed=3)
    rates = []
    for one in (first, second):
        days = evaluate(one, range(3, 28))
        lost, sent = (np.bincount(days.rep[chosen]) for chosen in (days.lost_at >= 0, days.rep >= 0))
        rates.append(lost / sent)
    assert value(table, "lost_rate", "Usual") == pytest.approx(rates[0].mean())
    assert value(table, "lost_rate", "Longer") == pytest.approx(rates[1].mean())
    assert value(table, "lost_rate", "Longer", "difference") == pytest.approx((rates[1] - rates[0]).mean())


def test_another_message_changes_no_draw_of_the_others() -> None:
    """A message to the one team leaves every delivery of the other as it was, on every day."""
    more = [*usual().model_dump(mode="json")["messages"], message("09:30", to={"filter": {"team": ["Team 2"]}})]
    pairs = []
    for one in (usual(), usual(messages=more)):
        days = evaluate(one, range(20))
        mine = np.array([agent.team == "Team 1" for agent in days.agents])[days.agent]
        pairs.append([getattr(days, name)[mine].tolist() for name in ("rep", "agent", "sent_at", "read_at", "lost_at")])
    assert pairs[0] == pairs[1]


def test_longer_toasts_leave_those_who_noticed_as_they_were() -> None:
    single = {"messages": [message("10:00")], "attention": CHANCE | {"bell_never": 1.0}}
    shorter, long = (evaluate(usual(policy={"toast_seconds": s}, **single), range(20)) for s in (8.0, 20.0))
    noticed = shorter.read_at >= 0
    assert np.array_equal(shorter.read_at[noticed], long.read_at[noticed])
    assert (long.read_at[~noticed] >= 0).any()


def test_pairing_by_seed_narrows_the_difference() -> None:
    first, second = (tally.values("lost_rate") for tally in run([usual(), longer()], replications=200))
    (others,) = run([longer()], replications=200, seed=1_000)
    paired = np.std(second - first, ddof=1)
    unpaired = np.std(others.values("lost_rate") - first, ddof=1)
    assert paired < 0.5 * unpaired


def test_processes_chunks_and_this_process_give_the_same() -> None:
    scenarios = [usual(), longer(), usual(name="Other", absence=0.3)]
    here = run(scenarios, replications=90, processes=1, progress=False)
    parts = [
        run(scenarios, replications=n, seed=s, processes=1, progress=False) for n, s in ((7, 1), (50, 8), (33, 58))
    ]
    elsewhere = run(scenarios, replications=90, processes=2, progress=False)
    for number, whole in enumerate(here):
        assert whole.same_as(elsewhere[number])
        assert whole.same_as(whole.joined([part[number] for part in parts]))


def test_much_work_goes_to_processes_and_little_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    real = runs.local_processes
    monkeypatch.setattr(runs, "local_processes", lambda *given: begun.append(given[1]) or real(*given))
    monkeypatch.setattr(runs, "SERIAL_S", 1e6)  # no machine is so slow that this would be much
    expected = compare(usual(), replications=40)
    assert begun == []
    monkeypatch.setattr(runs, "SERIAL_S", 0.0)
    monkeypatch.setattr(runs, "usable_cores", lambda: 2)
    assert compare(usual(), replications=40).equals(expected)
    assert begun == [2]
    monkeypatch.setattr(runs, "usable_cores", lambda: 1)
    assert compare(usual(), replications=40).equals(expected)
    assert begun == [2]
    assert usable_cores() >= 1


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interruption_keeps_what_all_variants_have(processes: int) -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if done >= 200:
            raise KeyboardInterrupt

    table = compare(usual(), longer(), replications=2_000, processes=processes, progress=stop)
    kept = len(table.attrs["seeds"])
    assert table.attrs["interrupted"] is True
    assert 2 <= kept < 2_000
    assert told[0] == (1, 4_000)
    whole = compare(usual(), longer(), replications=kept, processes=1)
    assert table.equals(whole)


def test_an_interruption_of_nearly_nothing_is_raised() -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(usual(), longer(), usual(name="Third"), progress=stop)


class Doomed:
    """A variant whose counting ends the process, as the system does when memory runs out."""

    def counted(self, seeds: Sequence[int]) -> Tally:
        os._exit(1)


def test_a_worker_that_dies_is_one_sentence_and_leaves_no_process() -> None:
    doomed = cast(Variant, Doomed())
    with pytest.raises(WorkersLost, match="ended without an answer"), local_processes([doomed], 2) as workers:
        list(workers.counted([Task(0, start, (start,)) for start in range(6)]))
    assert multiprocessing.active_children() == []


class DoomedOnWord:
    """A variant whose first day is counted at once; counting another ends the process as soon as the file is there."""

    def __init__(self, word: Path, known: Tally) -> None:
        self.word = word
        self.known = known

    def counted(self, seeds: Sequence[int]) -> Tally:
        if seeds[0] == 0:
            return self.known
        while not self.word.exists():
            time.sleep(0.01)
        os._exit(1)


def test_a_worker_that_dies_after_an_interruption_is_one_sentence_too(tmp_path: Path) -> None:
    word = tmp_path / "word"
    doomed = cast(Variant, DoomedOnWord(word, Variant(usual(), tuple(floor_of(usual()))).counted([0])))
    with pytest.raises(WorkersLost, match="ended without an answer"), local_processes([doomed], 2) as workers:
        counted = workers.counted([Task(0, start, (start,)) for start in range(20)])
        assert next(counted)[0].start == 0
        begun = workers.begun()
        word.touch()
        list(begun)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("number", [1, 2])
def test_ctrl_c_in_the_midst_of_starting_a_worker_waits_until_it_is_there(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    launch = popen_spawn_posix.Popen._launch
    launched: list[int] = []

    def interrupted(popen: Any, process: Any) -> None:
        launch(popen, process)
        launched.append(popen.pid)
        if len(launched) == number:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(popen_spawn_posix.Popen, "_launch", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        table = compare(usual(), longer(), replications=2_000, processes=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(launched) >= number
    assert table.attrs["interrupted"] is True
    assert multiprocessing.active_children() == []


# Whoever starts the tests in the background hands down that Ctrl+C is not heard.
SCRIPT = """
import os
import signal
import threading
import time
from pathlib import Path

from coachsim import Scenario, compare
from coachsim.scenario import Scenario

signal.signal(signal.SIGINT, signal.default_int_handler)


def look_at_processes():
    children = Path(f"/proc/{{os.getpid()}}/task/{{os.getpid()}}/children")
    while len(children.read_text().split()) < 3:  # multiprocessing has one of its own
        time.sleep(0.001)
    print("starting", flush=True)


def told(done, total):
    if done > 20:
        looking.join()  # or the two would print at once
        print("counting", flush=True)


looking = threading.Thread(target=look_at_processes, daemon=True)
looking.start()
one = Scenario.load({path!r})
table = compare(one, replications={replications}, processes=2, progress=told)
print("done", table.attrs["interrupted"], len(table.attrs["seeds"]), flush=True)
"""


@contextmanager
def script(tmp_path: Path, repository: Path, replications: int) -> Iterator[subprocess.Popen[str]]:
    """A script without ``if __name__ == "__main__":``, in a group of processes of its own that ends with the block.

    It says "starting" when its workers have been started, and "counting" when they have counted.
    """
    path = tmp_path / "script.py"
    weekday = str(repository / "data" / "scenarios" / "weekday.toml")
    path.write_text(SCRIPT.format(path=weekday, replications=replications))
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=repository,
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def wait_until_it_says(running: subprocess.Popen[str], word: str) -> None:
    assert running.stdout is not None
    assert any(line == f"{word}\n" for line in running.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["starting", "counting"])
def test_ctrl_c_reaches_all_processes_and_is_no_mess(tmp_path: Path, repository: Path, word: str) -> None:
    with script(tmp_path, repository, 50_000) as running:
        wait_until_it_says(running, word)
        os.killpg(running.pid, signal.SIGINT)
        said, complaints = running.communicate(timeout=100)
    last = said.splitlines()[-1].split()
    assert complaints == ""
    assert last[:2] == ["done", "True"]
    assert 2 <= int(last[2]) < 50_000


@pytest.mark.slow
def test_workers_do_not_outlive_who_started_them(tmp_path: Path, repository: Path) -> None:
    with script(tmp_path, repository, 50_000) as running:
        wait_until_it_says(running, "counting")
        running.kill()
        # The workers write to the same pipe: it ends when the last of them is gone.
        running.communicate(timeout=60)


@pytest.mark.slow
def test_a_script_needs_no_main_guard(tmp_path: Path, repository: Path) -> None:
    with script(tmp_path, repository, 40) as running:
        said, complaints = running.communicate(timeout=100)
    assert complaints == ""
    assert said.splitlines()[-1] == "done False 40"
    assert said.count("done") == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_a_half_width_is_reached_with_as_few_days_as_it_takes(processes: int) -> None:
    table = compare(usual(), longer(), half_width=0.008, measure="read_rate", processes=processes)
    row = table[(table.variant == "Longer") & (table.measure == "read_rate")].iloc[0]
    assert (row.difference_high - row.difference_low) / 2 <= 0.008
    assert table.attrs["half_width_reached"] is True
    assert 20 < row.replications < 200
    # Where it stopped hangs on the numbers alone: here and elsewhere the same.
    assert row.replications == compare(usual(), longer(), half_width=0.008, measure="read_rate").replications[0]


def test_a_half_width_of_one_scenario_is_of_its_value() -> None:
    table = compare(usual(), half_width=2.0, measure="read")
    assert value(table, "read", "Usual", "high") - value(table, "read", "Usual", "low") <= 4.0
    certain = scenario(messages=[message()], floor=PEOPLE)
    assert set(compare(certain, half_width=0.001).replications) == {20}


def test_a_half_width_out_of_reach_ends_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MOST", 50)
    with pytest.warns(CoachsimWarning, match="half-width 1e-05 of lost_rate was not reached in 50 replications"):
        table = compare(usual(), longer(), half_width=1e-5)
    assert table.attrs["half_width_reached"] is False
    assert set(table.replications) == {50}


def test_a_half_width_of_what_has_no_value_is_refused() -> None:
    nobody_reads = usual(attention=CHANCE | {"tau_s": 1e6, "bell_never": 1.0})
    with pytest.raises(InvalidInput, match="median_read_s has no value on nearly all of the first 20 days"):
        compare(nobody_reads, half_width=1.0, measure="median_read_s")


def test_days_without_a_value_are_left_out_and_counted() -> None:
    table = compare(usual(attention=CHANCE | {"tau_s": 1e6, "bell_never": 1.0}), replications=5)
    rows = table.set_index("measure")
    assert rows.left_out["median_read_s"] == 5
    assert rows.loc["median_read_s", ["value", "low", "high", "difference"]].isna().all()
    assert rows.left_out["lost_rate"] == 0
    one = compare(usual(), replications=1).set_index("measure").loc["sent"]
    assert one.value > 0
    assert one[["low", "high", "difference_low"]].isna().all()


def test_a_bar_follows_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    with runs._teller(True) as tell:
        for done, total in ((1, 40), (40, 40), (41, 120), (120, 120)):
            tell(done, total)
            (bar,) = inspect.getclosurevars(tell).nonlocals["bars"]
            assert (bar.n, bar.total) == (done, total)
    assert "Simulated days" in capsys.readouterr().err
    compare(usual(), half_width=0.02, progress=False)
    assert capsys.readouterr() == ("", "")


def test_scenarios_come_as_arguments_a_list_or_a_dict() -> None:
    expected = compare(usual(), longer(), replications=3)
    assert compare([usual(), longer()], replications=3).equals(expected)
    assert compare((usual(), longer()), replications=3).equals(expected)
    named = compare({"a": usual(), "b": longer()}, replications=3)
    assert list(named.variant.unique()) == ["a", "b"]
    assert named.drop(columns="variant").equals(expected.drop(columns="variant"))


def test_scenarios_of_one_name_are_told_apart() -> None:
    names = [usual(), usual(absence=0.5), usual(name="Usual (2)"), usual()]
    assert list(compare(names, replications=2).variant.unique()) == ["Usual", "Usual (3)", "Usual (2)", "Usual (4)"]


def test_one_message_alone_can_be_counted() -> None:
    (found,) = run([usual()], replications=3, message="m10:00")
    assert found.totals.sent.tolist() == [40, 40, 40]
    with pytest.raises(UnknownMessage):
        run([usual()], replications=3, message="m11:00")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"replications": 0}, "replications is a whole number from 1 to 100000, not 0"),
        ({"replications": 2.5}, "replications is a whole number"),
        ({"replications": True}, "replications is a whole number"),
        ({"replications": 5, "half_width": 0.1}, "either replications or half_width"),
        ({"half_width": 0.0}, "a number above 0"),
        ({"half_width": float("nan")}, "a number above 0"),
        ({"measure": "lost-rate"}, "did you mean 'lost_rate'"),
        ({"seed": -1}, "seed is a whole number"),
        ({"seed": 2**63 - 1}, "seed is a whole number"),
        ({"processes": 0}, "processes is a whole number"),
        ({"processes": 2, "cluster": "tcp://127.0.0.1:1"}, "either cluster or processes"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        compare(usual(), **arguments)
    with pytest.raises(InvalidInput, match=says):
        sweep(usual(), {"absence": [0.1]}, **arguments)


def test_what_is_no_scenario_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing to compare"):
        compare()
    with pytest.raises(InvalidInput, match=r"takes scenarios, not 'weekday.toml'; Scenario.load"):
        compare("weekday.toml")
    with pytest.raises(InvalidInput, match="sweep takes a Scenario"):
        sweep("weekday.toml", {"absence": [0.1]})


def test_a_message_to_nobody_on_the_floor_is_said_as_it_is() -> None:
    strange = usual(messages=[message(to={"agents": ["nobody"]})])
    for processes in (1, 2):
        with pytest.raises(ScenarioError, match="agent 'nobody' is not on the roster"):
            compare(usual(), strange, processes=processes)


def test_a_floor_that_is_given_takes_the_place_of_the_scenarios_own():
    """Also where the scenario names a roster that is nowhere."""
    nowhere = usual(floor={"roster": "nowhere.csv"})
    small = usual(floor=PEOPLE | {"agents": 5})
    here = floor_of(small)
    (tally,) = run([nowhere], replications=3, agents=here, progress=False)
    assert tally.agents == tuple(agent.agent_id for agent in here)
    given, own = (
        compare(nowhere, replications=3, agents=here, progress=False),
        compare(small, replications=3, progress=False),
    )
    assert given.equals(own)
    swept = sweep(nowhere, {"absence": [0.1, 0.2]}, replications=3, agents=here, progress=False)
    assert swept[swept.absence == 0.1]["value"].reset_index(drop=True).equals(own["value"])
    with simulate(nowhere, seed=1, agents=here) as log:
        assert log.agents()["agent_id"].tolist() == [agent.agent_id for agent in here]
