"""The log of a running server: read while messages are sent, within the reader's teams, from notebooks and scripts."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys

import pandas as pd
import pyarrow.parquet as pq
import pytest

from coachsim import analysis, open_log
from coachsim.errors import Forbidden, LogLocked, NotSignedIn, ServerUnavailable
from coachsim.log import MessageLog
from coachsim.log.part import Part
from coachsim.log.remote import ServerSource
from coachsim.log.snapshot import PARTS, TABLES
from tests.serving import Served, add_everybody, make_ticket, serve


def send(client, audience, body: str = "Hello", **more) -> int:
    message = {"audience": audience, "body": body, "request_id": os.urandom(4).hex(), **more}
    answer = client.post("/api/messages", json=message)
    assert answer.status_code == 201, answer.text
    return answer.json()["message_id"]


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server on which something has happened: to both teams, to one, to one agent; some of it read."""
    folder = tmp_path_factory.mktemp("floor")
    add_everybody(folder)
    with serve(folder) as served, served.client("sup") as sup, served.client("phones") as phones:
        for agent in ("a1", "a3"):
            phones.put(f"/api/agents/{agent}/state", json={"state": "logged_in"})
        send(sup, {"everyone": True}, "To all", ack_required=True)
        send(sup, {"agents": ["a1", "a3"]}, "To two")
        send(sup, {"agents": ["a3", "a4"]}, "To Red")
        with served.client("a1") as ann:
            assert ann.post("/api/inbox/open", json={}).status_code == 200
        yield served


@pytest.fixture
def read(busy, monkeypatch):
    """Opens the server's log as this account."""
    logs = []

    def opened(name: str, **days) -> MessageLog:
        monkeypatch.setenv("COACHSIM_TOKEN", busy.token(name))
        logs.append(open_log(busy.url, **days))
        return logs[-1]

    yield opened
    for log in logs:
        log.close()


def test_the_open_day_can_be_asked_everything(read):
    log = read("sup")
    assert list(log.deliveries().status.value_counts().sort_index().items()) == [("read", 2), ("waiting", 6)]
    assert list(log.messages().recipients) == [4, 2, 2]
    assert list(log.state_changes().agent_id) == ["a1", "a3"]
    assert list(log.agents().agent_id) == ["a1", "a2", "a3", "a4"]
    assert log.agents().campaigns[0].tolist() == ["Sales"]
    assert log.days().cleared_at.isna().tolist() == [True]
    assert log.sql("SELECT kind, time_zone IS NOT NULL AS known FROM run").values.tolist() == [["live", True]]
    assert (log.sql("FROM audit").action == "sent").sum() == 3
    rates = analysis.unread_rates(log, by="team")
    assert rates[["team", "sent", "read"]].values.tolist() == [["Blue", 3, 2], ["Red", 5, 0]]
    assert analysis.lost(log, by="hour").lost.tolist() == [0]
    assert analysis.time_to_read(log).read.tolist() == [2]
    assert not analysis.read_curve(log, by="team").empty
    assert analysis.reach(log, log.messages().message_id[0]).read.tolist() == [1]
    assert analysis.load(log).sent.tolist() == [8]
    assert analysis.presence(log, by="agent_id").log_ins.tolist() == [1, 0, 1, 0]


class Interrupted(ServerSource):
    """Something is sent and read before each table is fetched."""

    between = staticmethod(lambda: None)

    def fetch(self, table, file, as_of):
        self.between()
        super().fetch(table, file, as_of)


def test_all_tables_are_of_one_moment_while_messages_are_sent(served: Served):
    with served.client("sup") as sup, served.client("a1") as ann, served.client("phones") as phones:
        phones.put("/api/agents/a1/state", json={"state": "logged_in"})

        def happen():
            send(sup, {"everyone": True})
            ann.post("/api/inbox/open", json={})

        happen()
        with Interrupted(served.url, None, None, served.token("sup")) as source:
            source.between = happen
            with MessageLog.of_part(Part(source, source.url), source.url) as log:
                messages, deliveries = log.messages(), log.deliveries()
                # The first table was asked for after two messages; what came in between is in none.
                assert len(messages) == 2
                assert deliveries.groupby("message_id").size().tolist() == [4, 4]
                assert deliveries.read_at.notna().sum() == 2
                assert (log.sql("FROM audit").action == "sent").sum() == 2
                assert log.newest() == deliveries.read_at.max()
            source.between = lambda: None
            with MessageLog.of_part(Part(source, source.url), source.url) as log:
                assert len(log.messages()) == 1 + len(PARTS)


def test_a_stopped_servers_file_says_the_same(served: Served, monkeypatch):
    with served.client("sup") as sup, served.client("phones") as phones:
        phones.put("/api/agents/a2/state", json={"state": "logged_in"})
        send(sup, {"everyone": True})
    monkeypatch.setenv("COACHSIM_TOKEN", served.token("sup"))
    with open_log(served.url) as remote:
        served.stop()
        with open_log(served.data) as file:
            for table in TABLES:
                found, expected = (log.sql(f"SELECT * FROM {table} ORDER BY ALL") for log in (remote, file))
                pd.testing.assert_frame_equal(found, expected, obj=table)


def test_a_supervisor_sees_their_teams_in_every_table(read):
    log = read("blue")
    assert set(log.deliveries().agent_id) == {"a1", "a2"}
    assert (
        list(log.agents().agent_id) == list(log.sql("FROM agent_versions ORDER BY agent_id").agent_id) == ["a1", "a2"]
    )
    assert set(log.state_changes().agent_id) == {"a1"}
    messages = log.messages()
    assert list(messages.body) == ["To all", "To two"]
    assert list(messages.recipients) == [2, 1]
    assert json.loads(messages.audience[1]) == {"agents": ["a1"]}
    audit = log.sql("FROM audit")
    assert not audit.subject.isin(["a3", "a4"]).any()
    assert not audit.detail.str.contains("a3|a4|Red").any()
    assert (audit.action == "sent").sum() == 2
    for table in ("closed_messages", "closed_audit", "closed_deliveries", "closed_agent_changes", "events"):
        assert not log.sql(f"FROM {table}").to_string().count("Red"), table


def test_the_reverse_for_the_other_team_whose_analyst_reads_and_cannot_send(busy, read):
    log = read("analyst")
    assert set(log.deliveries().team) == set(log.agents().team) == {"Red"}
    assert list(log.messages().body) == ["To all", "To two", "To Red"]
    with busy.client("analyst") as analyst:
        assert (
            analyst.post(
                "/api/messages", json={"audience": {"everyone": True}, "body": "x", "request_id": "1"}
            ).status_code
            == 403
        )


def test_days_that_were_not_asked_for_are_not_there(read):
    log = read("sup", from_day="2000-01-01", to_day="2000-12-31")
    assert log.deliveries().empty
    assert log.state_changes().empty
    assert len(log.agents()) == 4
    (today,) = read("sup").days().day
    assert len(read("sup", from_day=today, to_day=today).deliveries()) == 8


@pytest.mark.parametrize("name", ["trainer", "phones", "admin", "a1"])
def test_other_roles_are_refused_in_a_sentence(read, name):
    with pytest.raises(Forbidden, match="it takes the role supervisor or analyst"):
        read(name)


def test_a_wrong_token_and_none(busy, monkeypatch):
    monkeypatch.setenv("COACHSIM_TOKEN", "wrong-token")
    with pytest.raises(NotSignedIn, match=r"does not know this token.*coachsim token NAME") as raised:
        open_log(busy.url)
    assert "wrong-token" not in str(raised.value)
    monkeypatch.delenv("COACHSIM_TOKEN")
    with pytest.raises(NotSignedIn, match="into the environment variable COACHSIM_TOKEN"):
        open_log(busy.url)


def test_the_address_can_come_from_the_environment(busy, monkeypatch):
    monkeypatch.setenv("COACHSIM_URL", busy.url + "/")
    monkeypatch.setenv("COACHSIM_TOKEN", f" {busy.token('sup')}\n")
    with open_log() as log:
        assert repr(log) == f"<MessageLog {busy.url}>"
        assert len(log.messages()) == 3


def test_a_page_reads_with_the_ticket_of_its_visitor(busy, monkeypatch):
    with busy.browser("blue") as browser:
        _, ticket = make_ticket(busy.data, "blue")
        assert browser.get("/api/me").status_code == 200
    monkeypatch.setenv("COACHSIM_URL", busy.url)
    monkeypatch.setenv("HTTP_X_COACH_TICKET", ticket)
    with open_log() as log:
        assert set(log.agents().team) == {"Blue"}


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setenv("COACHSIM_TOKEN", "some")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        with pytest.raises(ServerUnavailable, match="cannot be reached"):
            open_log(f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_the_folder_of_a_running_server_says_whom_to_ask(busy):
    with pytest.raises(LogLocked, match=f"open_log\\('{busy.url}'\\), with an API token"):
        open_log(busy.data)


# --- the endpoint ---


def test_a_table_says_as_of_which_event_it_is(busy):
    with busy.client("sup") as sup:
        answer = sup.get("/api/log/messages.parquet")
        as_of = int(answer.headers["X-Coach-As-Of"])
        assert as_of == sup.get("/api/messages").json()["as_of"]
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert len(pq.read_table(io.BytesIO(answer.content))) == 3
        before = sup.get("/api/log/messages.parquet", params={"as_of": 1})
        assert (before.headers["X-Coach-As-Of"], len(pq.read_table(io.BytesIO(before.content)))) == ("1", 0)


@pytest.mark.parametrize(
    ("table", "params", "status", "field"),
    [
        ("messages", {"as_of": "99999999"}, 422, "as_of"),
        ("messages", {"as_of": "-1"}, 422, "as_of"),
        ("messages", {"as_of": "9" * 30}, 422, "as_of"),
        ("messages", {"as_of": "now"}, 422, "as_of"),
        ("messages", {"from": "monday"}, 422, "from"),
        ("messages", {"to": "2026-02-30"}, 422, "to"),
        ("events", {}, 404, None),
        ("closed_deliveries", {}, 404, None),
    ],
)
def test_what_cannot_be_given_is_refused_in_a_sentence(busy, table, params, status, field):
    with busy.client("sup") as sup:
        answer = sup.get(f"/api/log/{table}.parquet", params=params)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("field")) == (status, field)
    assert error["message"].endswith(".")


# --- the command line ---


def cli(*arguments, token=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COACHSIM")}
    return subprocess.run(
        [sys.executable, "-m", "coachsim.cli", "log", *map(str, arguments)],
        capture_output=True, text=True, timeout=100, check=False, stdin=subprocess.DEVNULL,
        env=environment | ({"COACHSIM_TOKEN": token} if token else {}),
    )  # fmt: skip


def test_the_command_line_asks_the_server_that_has_the_log(busy, tmp_path):
    summary = cli("summary", "--data", busy.data)
    assert summary.returncode == 0, summary.stderr
    head, today, everything, _, about = summary.stdout.splitlines()
    assert head.split() == ["day", "messages", "sent", "notified", "read", "lost"]
    assert " ".join(today.split()[1:]) == "3 8 2 (25.0 %) 2 (25.0 %) 0 (0.0 %) not over yet"
    assert everything.split()[:3] == ["all", "3", "8"]
    assert about.startswith("Live log of coachsim")
    assert busy.url in about
    assert about.endswith(("kB", "MB"))
    for name in ("out.csv", "out.parquet"):
        run = cli("export", tmp_path / name, "--data", busy.data, "--table", "messages")
        assert run.stdout == f"3 rows of messages written to {tmp_path / name}.\n", run.stderr
    exported = pd.read_csv(tmp_path / "out.csv")
    assert list(exported.body) == list(pd.read_parquet(tmp_path / "out.parquet").body) == ["To all", "To two", "To Red"]
    assert exported.sent_at.str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").all()


def test_the_command_line_asks_a_server_elsewhere_with_a_token(busy, tmp_path):
    summary = cli("summary", "--url", busy.url, token=busy.token("blue"))
    assert summary.stdout.splitlines()[1].split()[1:3] == ["2", "3"], summary.stderr
    run = cli("export", tmp_path / "agents.csv", "--url", busy.url, "--table", "agents", token=busy.token("blue"))
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "agents.csv").read_text().splitlines() == [
        '"agent_id","name","team","campaigns","lists","queues","active"',
        '"a1","Ann Ames","Blue","Sales","","North",true',
        '"a2","Bob Bell","Blue","Service","","",true',
    ]
    for arguments, token, says in (
        (("summary", "--url", busy.url), None, "COACHSIM_TOKEN"),
        (("summary", "--url", busy.url), "wrong", "does not know this token"),
        (
            ("export", tmp_path / "x.csv", "--url", busy.url),
            busy.token("admin"),
            "it takes the role supervisor or analyst",
        ),
    ):
        failed = cli(*arguments, token=token)
        assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
        assert says in failed.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["agents.csv"]
