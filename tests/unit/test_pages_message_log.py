"""The message log page's kernel side: its source, its answers, and a page asked by a stand-in for the browser."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
import threading

import pandas as pd
import pytest

from coachsim import analysis
from coachsim.errors import InvalidInput, LogError
from coachsim.log import LogWriter, MessageLog, Run
from coachsim.pages import message_log_answers
from coachsim.pages.message_log import MessageLogPage
from coachsim.pages.message_log_answers import GROUPS, TABS, Answers, View, audience_text
from coachsim.pages.message_log_source import LogSource
from tests.unit.analysis_logs import PaperFloor, log_of
from tests.unit.floors import HOUR, TEN
from tests.unit.pressing import Browser

MONDAY, TUESDAY = "2026-03-02", "2026-03-03"


@pytest.fixture(scope="module")
def floor():
    floor = PaperFloor()
    floor.night()
    floor.next_morning()
    return floor


@pytest.fixture(scope="module")
def log(floor, tmp_path_factory):
    with log_of(tmp_path_factory.mktemp("page"), floor.events) as log:
        yield log


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with log_of(tmp_path_factory.mktemp("empty"), []) as log:
        yield log


def answers_of(log, first=MONDAY, last=MONDAY, teams=None) -> Answers:
    source = LogSource(log)
    index = source.index()
    return Answers(source.log(first, last), index, first, last, teams)


# --- the source ---


def test_a_log_says_its_days_teams_and_as_of_when(log):
    index = LogSource(log).index()
    assert [(day.label, day.says, day.open) for day in index.days] == [
        (MONDAY, "Mon 2 Mar 2026", False),
        (TUESDAY, "Tue 3 Mar 2026", True),
    ]
    assert index.teams == ("Blue", "Green") and index.first_hour == 3
    assert index.default_day == MONDAY, "the newest closed day"
    assert index.as_of == "data as of 10:30"
    assert index.between(MONDAY, TUESDAY) == [MONDAY, TUESDAY]


def test_an_open_day_alone_is_the_default_and_an_older_date_is_said(tmp_path):
    floor = PaperFloor()
    with log_of(tmp_path, floor.events) as log:
        index = LogSource(log).index()
    assert index.default_day == MONDAY and index.days[-1].open
    floor.night()
    with log_of(tmp_path / "closed", floor.events[:-1]) as log:
        assert LogSource(log).index().as_of == "data as of Tue 3 Mar, 03:00"


def test_a_log_of_nothing_has_no_days(empty):
    index = LogSource(empty).index()
    assert (index.days, index.teams, index.default_day, index.as_of) == ((), (), None, "nothing has happened yet")


def test_the_owners_log_stays_open_and_a_file_is_given_back(log, tmp_path):
    source = LogSource(log)
    source.index()
    source.log(MONDAY, MONDAY)
    source.close()
    source.close()
    assert len(log.days()) == 2
    path = tmp_path / "log.duckdb"
    LogWriter.open(path, Run()).close()
    of_file = LogSource(str(path))
    of_file.index()
    of_file.close()
    path.unlink()
    with pytest.raises(LogError):
        of_file.index()


# --- the answers ---


def test_the_cards_are_the_analysis_with_their_counts(log):
    cards = {card["key"]: card for card in answers_of(log).summary()["cards"]}
    rates = analysis.unread_rates(log, days=MONDAY).iloc[0]
    assert cards["sent"]["value"] == "12" and cards["sent"]["note"] == "4 messages to 4 agents"
    assert cards["unread"]["value"] == f"{100 * rates.unread_rate:.0f} %"
    assert cards["unread"]["note"] == "5 of 12 not read"
    assert cards["lost"]["note"] == "5 of 12 · 3 never notified"
    assert (cards["median"]["value"], cards["median"]["note"]) == ("61 min", "7 of 12 read")
    assert cards["median"]["margin"] == "from 30 s, no upper bound"


def test_teams_and_days_leave_only_those_in_and_an_open_day_is_so_far(log):
    blue = answers_of(log, teams=("Blue",)).summary()
    assert blue["sent"] == 6 and blue["shown"] == "on Mon 2 Mar 2026 to Blue"
    both = answers_of(log, MONDAY, TUESDAY).summary()
    assert both["sent"] == 14
    assert [card["label"] for card in both["cards"]] == [
        "Sent",
        "Unread so far",
        "Lost unread so far",
        "Median time to read",
    ]


def test_where_nothing_was_sent_it_says_so_and_every_chart_too(log):
    answers = answers_of(log, TUESDAY, TUESDAY, ("Nobody",))
    assert (
        answers.summary()["empty"] == "Nothing was sent on Tue 3 Mar 2026 to Nobody. Choose other days or teams above."
    )
    assert {card["value"] for card in answers.summary()["cards"]} == {"–"}
    assert answers.messages() == {"rows": [], "total": 0}
    for tab in TABS:
        assert all(chart["description"].endswith(".") for chart in answers.charts(View(tab=tab)))


def test_messages_that_nobody_read_come_first_then_the_least_read(floor, log):
    found = answers_of(log, teams=("Green",)).messages()
    assert [(row["message_id"], row["read"], row["sent"]) for row in found["rows"]] == [
        (floor.fourth, 0, 3),
        (floor.first, 1, 2),
        (floor.third, 1, 1),
    ]
    assert found["total"] == 3
    assert found["rows"][0]["at"] == "12:00"
    assert answers_of(log, MONDAY, TUESDAY).messages()["rows"][0]["at"].startswith(("Mon 2 Mar ", "Tue 3 Mar "))


@pytest.mark.parametrize(
    ("audience", "said"),
    [
        ('{"everyone": true}', "everyone"),
        ('{"agents": ["a1"]}', "Ann"),
        ('{"agents": ["gone"]}', "gone"),
        ('{"agents": ["a1", "a2"]}', "2 agents"),
        ('{"filter": {"team": ["Blue", "Green"], "state": ["break"]}}', "Team: Blue, Green · State: on a break"),
    ],
)
def test_an_audience_in_a_few_words(audience, said):
    assert audience_text(audience, {"a1": "Ann"}) == said


def test_a_message_opens_to_how_far_it_got_of_those_shown(floor, log):
    whole = answers_of(log).message(floor.first, dark=False)
    expected = analysis.reach(log, floor.first).iloc[0]
    (rows,) = whole["reach"]["spec"]["datasets"].values()
    assert [row["count"] for row in rows] == [
        expected[part] for part in ("acknowledged", "read", "notified_unread", "not_logged_in")
    ]
    assert whole["about"] == "4 agents · asks to confirm"
    assert whole["curve"]["description"] == "Read after the send. 3 of 4 read, half of them all within 5 min."
    blue = answers_of(log, teams=("Blue",)).message(floor.first, dark=True)
    assert blue["share"] == "100 % (2 of 2)"
    assert answers_of(log).message(floor.second, dark=False)["about"] == "urgent · 2 agents · expired 10:40"
    with pytest.raises(InvalidInput, match="not among those shown"):
        answers_of(log, teams=("Blue",)).message(12345, dark=False)


def test_a_message_expires_until_it_has_expired(tmp_path):
    floor = PaperFloor()
    floor.log_in("a1")
    sent = floor.send("a1", expires_at=TEN + 5 * HOUR)
    with log_of(tmp_path, floor.events) as log:
        assert answers_of(log).message(sent, dark=False)["about"] == "1 agent · expires 15:00"
    floor.until(TEN + 6 * HOUR)
    with log_of(tmp_path / "later", floor.events) as log:
        assert answers_of(log).message(sent, dark=False)["about"] == "1 agent · expired 15:00"


def test_a_messages_text_is_whole_when_it_is_opened(tmp_path):
    floor = PaperFloor()
    body = "<b>" + "wide 🙂 " * 100
    sent = floor.send("a1", body=body.strip())
    with log_of(tmp_path, floor.events) as log:
        answers = answers_of(log)
        (row,) = [row for row in answers.messages()["rows"] if row["message_id"] == sent]
        assert row["body"].startswith("<b>wide 🙂") and row["body"].endswith("…") and len(row["body"]) <= 160
        assert answers.message(sent, dark=False)["body"] == body.strip()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_deliveries_shown_are_a_file(log, kind):
    name, content = answers_of(log, teams=("Blue",)).file(kind)
    assert name == f"deliveries-{MONDAY}.{kind}"
    expected = log.deliveries().query("team == 'Blue' and day == @MONDAY")
    if kind == "csv":
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert list(rows[0]) == list(expected.columns)
    else:
        rows = pd.read_parquet(io.BytesIO(content)).to_dict("records")
    assert [(int(row["message_id"]), row["agent_id"], row["status"]) for row in rows] == [
        tuple(row) for row in expected[["message_id", "agent_id", "status"]].itertuples(index=False)
    ]
    assert answers_of(log, MONDAY, TUESDAY).file(kind)[0] == f"deliveries-{MONDAY}-to-{TUESDAY}.{kind}"


def test_more_deliveries_than_a_browser_takes_are_refused_with_another_way(log, monkeypatch):
    monkeypatch.setattr(message_log_answers, "MOST_ROWS", 11)
    with pytest.raises(InvalidInput, match=r"12 deliveries, and a browser can take 11\..*'coachsim log export'"):
        answers_of(log).file("csv")


# --- the page ---


class LogBrowser(Browser):
    """Asks the message log page."""

    def __init__(self, page: MessageLogPage) -> None:
        super().__init__(page)
        self.ticket = 0

    async def ask(self, **wanted) -> None:
        self.ticket += 1
        self.heard.clear()
        self.press("ask", ticket=self.ticket, **wanted)
        await self.wait_for("done", lambda data: data["ticket"] == self.ticket)


@pytest.fixture
async def open_page(monkeypatch):
    # The script of the charts takes seconds to make; what becomes of it is seen in a real browser.
    monkeypatch.setattr("coachsim.pages.message_log._chart_script", lambda: "export default {}")
    pages = []

    def opened(log) -> LogBrowser:
        pages.append(MessageLogPage(log))
        return LogBrowser(pages[-1])

    yield opened
    for page in pages:
        await page.close_page()
        page.close()


async def test_the_page_shows_the_newest_closed_day_and_what_is_chosen(log, open_page, floor):
    browser = open_page(log)
    await browser.ask()
    (choices,) = browser.said("choices")
    assert (choices["first"], choices["last"]) == (MONDAY, MONDAY)
    assert [day["says"] for day in choices["days"]] == ["Mon 2 Mar 2026", "Tue 3 Mar 2026 · open"]
    assert browser.said("summary")[0]["sent"] == 12 and browser.said("messages")[0]["total"] == 4
    assert [chart["title"] for chart in browser.said("charts")[0]["charts"]][1] == "Unread by state at the send"
    assert browser.page.first.spec["layer"][0]["mark"]["type"] == "rect" and browser.page.curve is None

    await browser.ask(first=TUESDAY, last=MONDAY, teams=["Blue"], tab="activity", message_id=floor.first, dark=True)
    assert (browser.said("choices")[0]["first"], browser.said("choices")[0]["last"]) == (MONDAY, TUESDAY)
    assert browser.said("message")[0]["share"] == "100 % (2 of 2)"
    assert browser.page.first.spec["layer"][0]["mark"]["type"] == "bar" and browser.page.curve is not None
    for by in GROUPS:
        await browser.ask(tab="reading", by=by)
        assert browser.said("trouble") == [] and len(browser.said("charts")[0]["charts"]) == 1


async def test_a_download_comes_in_parts_that_are_the_file(log, open_page, monkeypatch):
    monkeypatch.setattr("coachsim.pages.message_log._PART", 500)
    browser = open_page(log)
    await browser.ask()
    browser.press("download", kind="csv")
    await browser.wait_for("file", lambda data: data["last"])
    parts = [buffers[0] for name, _, buffers in browser.heard if name == "file"]
    assert len(parts) > 2 and b"".join(parts) == answers_of(log).file("csv")[1]
    browser.heard.clear()
    browser.press("download", kind="/etc/passwd")
    assert browser.heard == []


async def test_the_newest_request_wins(log, open_page, monkeypatch):
    entered, go_on = threading.Event(), threading.Event()
    summary = Answers.summary

    def slow(self):
        if not go_on.is_set():
            entered.set()
            assert go_on.wait(60)
        return summary(self)

    monkeypatch.setattr(Answers, "summary", slow)
    browser = open_page(log)
    browser.press("ask", ticket=1, teams=["Blue"])
    assert await asyncio.to_thread(entered.wait, 60)
    browser.press("ask", ticket=2, teams=["Green"])
    browser.press("ask", ticket=3)
    go_on.set()
    await browser.wait_for("done", lambda data: data["ticket"] == 3)
    assert [data["sent"] for data in browser.said("summary")] == [12]
    assert browser.said("done") == [{"ticket": 3}] and browser.said("trouble") == []


async def test_refresh_asks_the_log_anew(floor, open_page, tmp_path):
    path = tmp_path / "log.duckdb"
    half = next(n for n, event in enumerate(floor.events) if event.happened_at > floor.second)
    with LogWriter.open(path, Run()) as writer:
        writer.append(floor.events[:half]).result(60)
    browser = open_page(path)
    await browser.ask()
    before = browser.said("summary")[0]["sent"]
    assert before == 6
    await browser.ask(tab="reading")
    assert browser.said("summary")[0]["sent"] == before
    # While a page has the file open nobody writes to it: it is another file by then, such as a newer backup.
    with LogWriter.open(tmp_path / "newer.duckdb", Run()) as writer:
        writer.append(floor.events).result(60)
    (tmp_path / "newer.duckdb").replace(path)
    await browser.ask(refresh=1)
    assert browser.said("summary")[0]["sent"] == 12


async def test_what_cannot_be_is_a_sentence_on_the_page_and_in_the_log(open_page, tmp_path, caplog):
    browser = open_page(tmp_path / "none.duckdb")
    with caplog.at_level(logging.WARNING):
        await browser.ask()
    await browser.wait_for("trouble", lambda data: "none.duckdb" in data["sentence"])
    assert "none.duckdb" in caplog.text
    closed = open_page(MessageLog.open(_written(tmp_path / "closed.duckdb")))
    closed.page._source._given.close()
    await closed.ask()
    await closed.wait_for("trouble", lambda data: "has been closed" in data["sentence"])


def _written(path):
    LogWriter.open(path, Run()).close()
    return path


async def test_an_error_nobody_expected_is_said_and_the_page_goes_on(log, open_page, monkeypatch, caplog):
    browser = open_page(log)
    monkeypatch.setattr(Answers, "messages", lambda self: 1 / 0)
    await browser.ask()
    await browser.wait_for("trouble", lambda data: "ZeroDivisionError" in data["sentence"])
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr("coachsim.pages.message_log._chart_script", lambda: "export default {}")
    await browser.ask()
    assert browser.said("messages")[0]["total"] == 4


async def test_a_log_of_nothing_says_so(empty, open_page):
    browser = open_page(empty)
    await browser.ask()
    assert browser.said("nothing")[0]["sentence"].startswith("The log has no day yet")
    assert browser.said("summary") == []


async def test_only_the_pages_own_events_are_taken(log, open_page, caplog):
    browser = open_page(log)
    for content in (
        {"create_widget": "os.system"},
        {"event": "ask", "data": {"ticket": 1}, "update_ref": 1},
        {"event": "close_page", "data": {}},
        "ask",
    ):
        browser.page._handle_event(browser.page, content, [])
    assert browser.heard == [] and caplog.text.count("Refused a message") == 4
    browser.page.set_state({"template": "<script>"})
    assert "<script>" not in browser.page.template[:9]
    # What no control sends is as if it had not been asked for.
    await browser.ask(first="rubbish", last=7, teams="Blue", tab="etc", by=[], message_id="1")
    assert browser.said("summary")[0]["sent"] == 12 and browser.said("trouble") == []


def test_of_many_messages_the_least_read_are_listed(log, monkeypatch):
    monkeypatch.setattr(message_log_answers, "MOST_MESSAGES", 2)
    found = answers_of(log).messages()
    assert len(found["rows"]) == 2 and found["total"] == 4
