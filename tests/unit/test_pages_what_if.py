"""The what-if page's kernel side: controls, results, and a page that is asked by a stand-in for the browser."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
import subprocess
import sys
import threading
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.experiment import run
from coachsim.intervals import Estimate, paired_interval
from coachsim.pages import what_if_results as says
from coachsim.pages import what_if_work
from coachsim.pages.what_if import WhatIfPage
from coachsim.pages.what_if_controls import asked, choices
from coachsim.pages.what_if_scenarios import VARIABLE, folders, offers
from coachsim.plan import floor_of
from coachsim.scenario import Scenario
from coachsim.tally import GRID_S
from tests.unit.days_of import LUNCH, message
from tests.unit.pressing import NO_CONTROL_SENDS, Browser

BRIEFING = message("10:00", key="briefing")
SERIES = {"key": "tip", "body": "Ask", "every_min": 60, "start": "09:00", "until": "17:00", "to": "a team"}
BASE = Scenario.from_dict(
    {
        "name": "Small",
        "floor": {"agents": 24, "teams": 3},
        "shifts": [{"start": "09:00"}],
        "breaks": [LUNCH],
        "messages": [SERIES, BRIEFING],
    }
)
FORM = {"message": "briefing", "replications": 10, "seed": 3}


# --- the controls ---


def test_untouched_controls_are_the_scenario_itself():
    offered = choices(BASE, floor_of(BASE))
    first = next(one for one in offered["messages"] if one["key"] == offered["first"])
    form = {"message": first["key"], "at": first["at"], "count": first["count"], "to": "planned"}
    form |= {"toast": offered["toast"], "breaks": "planned", "waves": 4, "gap": 20}
    form["attention"] = {one["name"]: one["value"] for one in offered["attention"]}
    answer = asked(BASE, form | {"replications": 100, "seed": 1})
    assert (first["key"], first["to"], first["count"]) == ("briefing", "everyone", 1)
    assert answer.a == BASE and answer.b == BASE
    assert (answer.changes, answer.assumed, answer.faults) == ([], [], {})


def test_everybody_and_every_group_can_be_chosen_with_their_numbers():
    labels = [one["label"] for one in choices(BASE, floor_of(BASE))["audiences"]]
    assert labels[0] == "Everyone · 24" and "Team 1 · 8" in labels
    assert sum(label.startswith("Campaign") for label in labels) == 4


def test_each_control_changes_what_it_says_and_says_it():
    form = {
        "at": "11:10",
        "to": '{"filter": {"team": ["Team 1"]}}',
        "count": 3,
        "toast": 20,
        "breaks": "waves",
        "waves": 3,
        "gap": 15,
    }
    answer = asked(BASE, FORM | form)
    assert answer.faults == {}
    sent = answer.b.messages[1]
    assert (sent.start, sent.to) == ("11:10", {"filter": {"team": ["Team 1"]}})
    assert (answer.b.policy.toast_seconds, answer.b.breaks[0].waves, answer.b.breaks[0].wave_gap_min) == (20, 3, 15)
    assert answer.a == BASE
    assert (
        ", ".join(answer.changes) == "11:10, to Team: Team 1, 3 a day, toasts of 20 s, breaks in 3 waves every 15 min"
    )
    assert (answer.replications, answer.seed, answer.message) == (10, 3, "briefing")
    assert asked(BASE, FORM | {"count_what": "all"}).message is None
    assert asked(BASE, FORM | {"breaks": "at_once"}).b.breaks[0].waves == 1


def test_attention_is_of_both_days_or_of_the_variant():
    form = FORM | {"attention": {"bell_never": 20, "bell_median_s": 10}}
    both = asked(BASE, form)
    assert both.a.attention.bell_never == both.b.attention.bell_never == 0.2
    assert both.a.attention.bell_median_s == pytest.approx(600)
    assert (both.changes, both.assumed) == ([], ["other attention"])
    alone = asked(BASE, form | {"attention_of": "b"})
    assert alone.a == BASE and alone.b.attention.bell_never == 0.2 and alone.changes == ["other attention"]


@pytest.mark.parametrize(
    ("form", "name", "said"),
    [
        ({"at": "25:00"}, "at", "Send at: write a time of day as HH:MM"),
        ({"at": ""}, "at", "Send at: "),
        ({"to": '{"filter": {"tem": ["x"]}}'}, "to", "To: a filter knows no 'tem'"),
        ({"to": "rubbish"}, "to", "To: write 'everyone'"),
        ({"count": 0}, "count", "Messages a day: at least one"),
        ({"count": 1.5}, "count", "Messages a day: 1.5 is not a whole number"),
        ({"toast": -3}, "toast", "Toast seconds: input should be greater than 0"),
        ({"toast": ""}, "toast", "Toast seconds: write a number"),
        ({"toast": True}, "toast", "Toast seconds: write a number"),
        ({"breaks": "waves", "waves": 0, "gap": 5}, "breaks", "Breaks: "),
        ({"breaks": "waves", "waves": 2.5, "gap": 5}, "breaks", "Breaks: waves: write a whole number"),
        ({"attention": {"occupancy": 120}}, "attention.occupancy", "Time on a call: write a number from 0 to 100"),
        ({"attention": {"tau_s": 0}}, "attention.tau_s", "How fast a toast is noticed (τ): input should be"),
        ({"attention": {"zeal": 1}}, "attention.zeal", "no number 'zeal'"),
        ({"replications": 1}, "replications", "Replications: write a whole number from 2 to 1,000"),
        ({"replications": 1e9}, "replications", "Replications: "),
        ({"seed": "x"}, "seed", "Seed: write a whole number from 0"),
    ],
)
def test_an_impossible_value_is_refused_and_named(form, name, said):
    answer = asked(BASE, FORM | form)
    assert list(answer.faults) == [name]
    assert said in answer.faults[name] and answer.faults[name].endswith(".")
    assert answer.b == BASE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6), st.lists, max_leaves=3
)
NAMES = [*FORM, "at", "to", "count", "toast", "breaks", "waves", "gap", "attention", "attention_of", "count_what"]


@given(st.dictionaries(st.sampled_from(NAMES), JSON | st.just("waves") | st.just("tip")))
def test_whatever_a_browser_sends_is_a_scenario_or_a_fault(form):
    answer = asked(BASE, form)
    assert all(sentence.endswith(".") for sentence in answer.faults.values())
    assert 2 <= answer.replications <= 1_000


# --- the results ---


@pytest.fixture(scope="module")
def tallies():
    later = asked(BASE, FORM | {"at": "12:00"}).b
    return run([BASE, later], replications=20, seed=3, message="briefing", processes=1, progress=False)


def test_the_cards_are_the_days_means_with_paired_differences(tallies):
    a, b = tallies
    cards = {card["key"]: card for card in says.cards(a, b)}
    assert list(cards) == ["read_in_hour", "median_read_s", "p90_read_s", "lost_rate"]
    within = b.curve[:, GRID_S.index(3_600)] / b.totals.sent
    assert cards["read_in_hour"]["value"] == f"{100 * within.mean():.1f} %"
    before = a.curve[:, GRID_S.index(3_600)] / a.totals.sent
    change = paired_interval(within, before)
    assert cards["read_in_hour"]["change"] == says.share_unit(1.0).difference(change)
    assert cards["lost_rate"]["note"] == f"{b.totals.lost.mean():.1f} of 24 a day"
    assert cards["read_in_hour"]["note"] == f"{b.curve[:, GRID_S.index(3_600)].mean():.0f} of 24 a day"


@pytest.mark.parametrize(
    ("change", "more_is_better", "verdict"),
    [
        (Estimate(0.1, 0.05, 0.15, 9), True, "better"),
        (Estimate(0.1, 0.05, 0.15, 9), False, "worse"),
        (Estimate(-3.0, -4.0, -2.0, 9), False, "better"),
        (Estimate(0.1, -0.05, 0.25, 9), True, "same"),
        (Estimate(0.1, None, None, 1), True, "same"),
    ],
)
def test_a_difference_is_better_or_worse_only_if_its_interval_says_so(change, more_is_better, verdict):
    assert says._verdict(change, more_is_better) == verdict


@pytest.mark.parametrize(
    ("unit", "estimate", "said"),
    [
        (says.share_unit(0.9), Estimate(0.0512, 0.045, 0.0574, 9), "+5.1 ± 0.6"),
        (says.time_unit(400.0), Estimate(-192.0, -216.0, -168.0, 9), "−3.2 ± 0.4"),
        (says.time_unit(20.0), Estimate(-0.01, -0.01, -0.01, 9), "no change"),
        (says.time_unit(20.0), Estimate(0.01, -2.0, 2.02, 9), "+0 ± 2"),
        (says.time_unit(20.0), Estimate(3.0, None, None, 1), "+3"),
        (says.time_unit(9_000.0), Estimate(-3_600.0, -3_960.0, -3_240.0, 9), "−1.0 ± 0.1"),
    ],
)
def test_differences_are_written_with_their_sign_and_margin(unit, estimate, said):
    assert unit.difference(estimate) == said


def test_the_curves_rise_within_their_bands(tallies):
    for minutes in (60, 240, 1_440):
        rows = [row for row in says.curve_rows(*tallies, minutes) if row["variant"] == "B"]
        reads = [row["read"] for row in rows]
        assert rows[0]["minutes"] == 0 and rows[-1]["minutes"] == minutes and 50 < len(rows) <= 300
        assert reads == sorted(reads)
        assert all(0 <= row["low"] <= row["read"] <= row["high"] <= 1 for row in rows)
    b_minus_a = says.difference_rows(*tallies, 60)[-1]["difference"]
    ends = {row["variant"]: row["read"] for row in says.curve_rows(*tallies, 60) if row["minutes"] == 60}
    assert b_minus_a == pytest.approx(ends["B"] - ends["A"])


def test_who_is_missed_adds_up(tallies):
    a, b = tallies
    teams = says.team_rows(a, b)
    assert sum(row["lost"] for row in teams if row["variant"] == "B") == b.totals.lost.sum()
    agents = says.agent_rows(a, b, {"a01": "Ann"}, most=None)
    assert len(agents) == 24 and sum(row["a_lost"] for row in agents) == a.totals.lost.sum()
    rates = [row["b_lost"] / row["b_sent"] for row in agents]
    assert rates == sorted(rates, reverse=True)
    assert {row["name"] for row in agents if row["agent_id"] == "a01"} == {"Ann"}
    assert len(says.agent_rows(a, b, {}, most=5)) == 5


def test_the_file_of_results_says_how_many_days_and_from_which_seed(tallies):
    a, b = tallies
    text = says.results_csv(a, b, {}, about={"scenario": "Small, with a comma"})
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(row["replications"], row["seed"]) for row in rows} == {("20", "3")}
    assert rows[0]["value"] == "Small, with a comma"
    (lost,) = [row for row in rows if (row["variant"], row["measure"]) == ("B-A", "lost_rate") and not row["minutes"]]
    expected = paired_interval(b.values("lost_rate"), a.values("lost_rate"))
    assert float(lost["value"]) == pytest.approx(expected.value) and int(lost["days"]) == 20
    assert sum(row["part"] == "agent" for row in rows) == 24 * 4


def test_nobody_there_is_no_figure_and_no_error():
    absent = BASE.model_copy(update={"absence": 1.0})
    a, b = run([absent] * 2, replications=3, seed=1, message="briefing", processes=1, progress=False)
    cards = {card["key"]: card for card in says.cards(a, b)}
    assert cards["median_read_s"]["value"] == "–" and "on any day" in cards["median_read_s"]["note"]
    assert cards["lost_rate"]["value"] == "100.0 %"
    assert says.sentences(a, b)[-1] == "B: nobody read anything on any day."
    assert says.results_csv(a, b, {}, about={}).count("\n") > 100


# --- the page ---


class WhatIfBrowser(Browser):
    """Moves the controls of the what-if page."""

    async def ask(self, ticket: int, **form) -> dict:
        self.press("ask", ticket=ticket, form=FORM | form)
        return await self.wait_for("results", lambda data: data["ticket"] == ticket)


@pytest.fixture
async def browser(monkeypatch):
    # The script of the charts takes seconds to make; what becomes of it is seen in a real browser.
    monkeypatch.setattr("coachsim.pages.what_if._chart_script", lambda: "export default {}")
    page = WhatIfPage(BASE)
    browser = WhatIfBrowser(page)
    browser.press("page_ready", dark=False)
    await browser.wait_for("scenario")
    yield browser
    await page.close_page()
    page.close()


async def test_a_slider_that_moves_gives_figures_and_charts(browser):
    results = await browser.ask(1, at="12:00")
    assert (results["replications"], results["seed"], results["changes"]) == (10, 3, ["12:00"])
    assert len(results["cards"]) == 4 and len(results["teams"]) == 6
    async with asyncio.timeout(30):
        while browser.page.missed is None:
            await asyncio.sleep(0.01)
    assert browser.page.curves.spec["layer"][1]["mark"]["type"] == "line"
    assert browser.page.variant.messages[1].at == "12:00"
    a, b = browser.page.tallies
    expected = run([BASE, browser.page.variant], replications=10, seed=3, message="briefing", progress=False)
    assert a.same_as(expected[0]) and b.same_as(expected[1])


async def test_the_same_request_gives_the_same_numbers_and_the_baseline_is_counted_once(browser, monkeypatch):
    played = []

    def counted(scenarios, **options):
        played.append(list(scenarios))
        return run(scenarios, **options)

    monkeypatch.setattr("coachsim.experiment.run", counted)
    first = await browser.ask(1, at="12:00")
    await browser.ask(2, at="13:00")
    again = await browser.ask(3, at="12:00")
    assert again["cards"] == first["cards"]
    assert [len(scenarios) for scenarios in played] == [2, 1]
    await browser.ask(4, seed=4)
    assert [len(scenarios) for scenarios in played] == [2, 1, 1], "as planned, A and B are one"


async def test_the_newest_request_wins(browser, monkeypatch):
    entered, go_on = threading.Event(), threading.Event()

    def slow(scenarios, *, progress, **options):
        if not go_on.is_set():
            entered.set()
            assert go_on.wait(60)
        return run(scenarios, progress=progress, **options)

    monkeypatch.setattr("coachsim.experiment.run", slow)
    browser.press("ask", ticket=1, form=FORM | {"at": "11:00"})
    assert await asyncio.to_thread(entered.wait, 60)
    browser.press("ask", ticket=2, form=FORM | {"at": "12:00"})
    browser.press("ask", ticket=3, form=FORM | {"at": "13:00"})
    go_on.set()
    results = await browser.wait_for("results")
    assert results["ticket"] == 3 and results["changes"] == ["13:00"]
    assert [data["ticket"] for name, data, _ in browser.heard if name == "results"] == [3]


async def test_what_is_refused_is_named_and_nothing_is_played(browser):
    browser.press("ask", ticket=1, form=FORM | {"at": "26:00", "toast": 0})
    checked = await browser.wait_for("checked")
    assert set(checked["faults"]) == {"at", "toast"} and browser.page._working is None
    browser.press("save", form=FORM | {"toast": 0})
    assert not any(name == "file" for name, *_ in browser.heard)


async def test_an_audience_that_the_floor_does_not_have_is_said(browser):
    browser.press("ask", ticket=1, form=FORM | {"to": '{"filter": {"team": ["Mauve"]}}'})
    failed = await browser.wait_for("failed")
    assert "there is no team 'Mauve'" in failed["sentence"]
    assert (await browser.ask(2, at="12:00"))["ticket"] == 2


async def test_an_error_nobody_expected_is_on_the_page_and_in_the_log(browser, monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr("coachsim.experiment.run", broken)
    with caplog.at_level(logging.ERROR):
        browser.press("ask", ticket=1, form=FORM)
        trouble = await browser.wait_for("trouble")
    assert "no such luck" in trouble["sentence"] and caplog.records[0].exc_info is not None
    browser.heard.clear()
    browser.press("ask", form=FORM)
    assert "KeyError" in (await browser.wait_for("trouble"))["sentence"]


async def test_the_variant_is_saved_as_a_scenario_and_the_results_as_a_table(browser):
    browser.press("download")
    assert not any(name == "file" for name, *_ in browser.heard), "there are no results yet"
    await browser.ask(1, at="12:00")
    browser.press("save", form=FORM | {"at": "12:00"})
    saved = await browser.wait_for("file")
    again = Scenario.from_dict(tomllib.loads(saved["text"]))
    assert saved["name"] == "small-12-00.toml" and again.messages == browser.page.variant.messages
    browser.press("download")
    table = await browser.wait_for("file", lambda data: data["type"] == "text/csv")
    assert table["name"] == "small-what-if.csv" and table["text"].startswith("part,variant,")


async def test_the_charts_follow_what_is_to_be_shown(browser):
    await browser.ask(1, at="12:00")
    page = browser.page

    async def drawn(holds) -> None:
        async with asyncio.timeout(30):
            while page.missed is None or not holds(page.curves.spec):
                await asyncio.sleep(0.01)

    await drawn(lambda spec: "Share read after" in spec["description"])
    browser.press("view", what="differences", span="day", dark=True)
    await drawn(lambda spec: "B minus A" in spec["description"])
    assert page.curves.spec["config"]["axis"]["labelColor"] == "#a9b5c3"
    browser.press("view", what="nonsense", span=["x"], dark=True)
    await drawn(lambda spec: "B minus A" in spec["description"])


async def test_a_second_browser_gets_what_is_there(browser):
    results = await browser.ask(1, at="12:00")
    browser.heard.clear()
    browser.press("page_ready", dark=True)
    assert (await browser.wait_for("scenario"))["name"] == "Small"
    assert await browser.wait_for("results") == results


async def test_a_scenario_without_messages_is_no_error(monkeypatch):
    monkeypatch.setattr("coachsim.pages.what_if._chart_script", lambda: "export default {}")
    page = WhatIfPage(BASE.model_copy(update={"messages": ()}))
    browser = WhatIfBrowser(page)
    browser.press("page_ready")
    offered = await browser.wait_for("scenario")
    assert offered["choices"]["messages"] == [] and offered["choices"]["first"] == ""
    results = await browser.ask(1, message="")
    assert results["sent"] == 0 and {card["value"] for card in results["cards"]} == {"–"}
    await page.close_page()
    page.close()


@pytest.mark.parametrize("content", NO_CONTROL_SENDS)
async def test_a_browser_cannot_make_the_kernel_import_or_call_anything(browser, content, monkeypatch):
    browser.sends_no_event(content, monkeypatch)
    before = browser.page.template
    browser.page.set_state({"template": "<script>", "curves": None})
    assert browser.page.template == before


# --- scenarios in folders ---


async def test_the_scenarios_of_a_folder_can_be_chosen_and_a_broken_one_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("coachsim.pages.what_if._chart_script", lambda: "export default {}")
    BASE.save(tmp_path / "b.toml")
    (tmp_path / "a.toml").write_text('name = "Astray"\nshfts = []\n', encoding="utf-8")
    (tmp_path / "c.toml").write_text("name = ", encoding="utf-8")
    page = WhatIfPage(folder=tmp_path)
    browser = WhatIfBrowser(page)
    browser.press("page_ready")
    refused = await browser.wait_for("refused")
    assert refused["names"] == ["Astray", "c.toml", "Small"] and "did you mean 'shifts'" in refused["sentence"]
    browser.press("ask", ticket=1, form=FORM)
    browser.press("save", form=FORM)
    assert [name for name, *_ in browser.heard] == ["refused"], "there is nothing to play or to save"
    browser.press("choose", number=2)
    assert (await browser.wait_for("scenario"))["number"] == 2
    for number in (3, -1, "0", None):
        browser.press("choose", number=number)
    assert [name for name, *_ in browser.heard if name in ("scenario", "refused")] == ["refused", "scenario"]
    await page.close_page()
    page.close()


async def test_a_folder_without_scenarios_is_said(tmp_path):
    page = WhatIfPage(folder=tmp_path)
    browser = WhatIfBrowser(page)
    browser.press("page_ready")
    assert str(tmp_path) in (await browser.wait_for("empty"))["sentence"]
    await page.close_page()
    page.close()


def test_a_servers_folders_come_before_the_bundled_scenarios(tmp_path, monkeypatch, repository):
    BASE.save(tmp_path / "mine.toml")
    monkeypatch.setenv(VARIABLE, f"{tmp_path}:{tmp_path / 'none'}")
    found = offers(folders())
    assert found[0].path.name == "weekday.toml" and "Small" in [offer.name for offer in found]
    assert folders(tmp_path) == [tmp_path]
    # The practice floor's folder may be the bundled one: each file is there once.
    monkeypatch.setenv(VARIABLE, str(repository / "data" / "scenarios"))
    assert len({offer.path for offer in offers(folders())}) == len(offers(folders()))


def test_the_floor_is_offered_where_there_is_a_server_that_knows_whose_page_it_is(monkeypatch):
    for name in ("COACHSIM_URL", "HTTP_X_COACH_TICKET"):
        monkeypatch.delenv(name, raising=False)
    assert all(offer.path is not None for offer in offers(folders()))
    monkeypatch.setenv("COACHSIM_URL", "http://127.0.0.1:1")
    assert all(offer.path is not None for offer in offers(folders()))
    monkeypatch.setenv("HTTP_X_COACH_TICKET", "of-somebody")
    found = offers(folders())
    assert (found[-1].path, found[-1].name) == (None, "Today's floor") and found[0].path.name == "weekday.toml"


def test_the_page_is_drawn_before_what_it_computes_with_is_loaded():
    code = (
        "import sys\n"
        "from coachsim import WhatIfPage\n"
        "WhatIfPage()\n"
        "heavy = {'pandas', 'duckdb', 'pyarrow', 'scipy', 'altair', 'vl_convert', 'tornado.httpserver', 'voila'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_a_few_tallies_are_kept(monkeypatch):
    bench = what_if_work.Bench()
    for seed in range(1, 20):
        wanted = asked(BASE, FORM | {"seed": seed, "replications": 2, "toast": 9})
        bench.play(what_if_work.Job(seed, wanted, tuple(floor_of(BASE))), lambda done, total: None)
    assert len(bench._kept) <= 8
    assert np.all([one.replications == 2 for one in bench._kept])
