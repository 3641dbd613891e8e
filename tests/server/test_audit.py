"""What an auditor finds: who came in, what was refused, who sent and changed what; and that no attacker can fill it."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from pathlib import Path

import httpx
import pytest

from coachsim import roster
from coachsim.cli.audit import ACTIONS
from coachsim.days import to_iso
from coachsim.log import pseudonyms
from coachsim.server.comings import (
    HELD,
    MOST_AN_HOUR,
    NOT_RECOGNISED,
    OTHERS,
    REFUSED,
    SIGNED_IN,
    SIGNED_OUT,
    TOO_MANY,
    WRONG_PASSWORD,
    Comings,
)
from coachsim.server.store import ACCOUNTS_FILE, Store, now
from coachsim.server.throttle import PER_NAME_AND_ADDRESS
from tests.server.test_sign_in import cli
from tests.serving import DEADLINE_S, PASSWORD, PEOPLE, Served, add_account, make_ticket, serve

MESSAGE = {"audience": {"agents": ["a1"]}, "body": "Hello", "request_id": "1"}


def audit(data: Path, *arguments: str) -> list[dict[str, str]]:
    done = cli(data, "audit", *arguments)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def found(rows: list[dict[str, str]], **wanted: str) -> list[dict[str, str]]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def times(rows: list[dict[str, str]], **wanted: str) -> int:
    """How often it was so: there is a row for each hour, and the clock may strike while a test runs."""
    return sum(int(row["times"]) for row in found(rows, **wanted))


def test_one_command_says_who_came_in_what_was_refused_and_who_did_what(data: Path):
    before = str(to_iso(now()))
    with serve(data) as served:
        with served.browser("sup") as sup, served.client("blue") as blue, served.client("admin") as admin:
            sup.post("/api/messages", json=MESSAGE)
            for _ in range(3):
                assert blue.get("/api/roster").status_code == 403
            assert admin.post("/api/clear-down").status_code == 200
            assert sup.post("/logout").status_code == 303
        with served.browser() as stranger:
            for _ in range(PER_NAME_AND_ADDRESS + 2):
                stranger.post("/login", data={"username": "ADMIN", "password": "guess"})
            stranger.post("/login", data={"username": "my secret phrase", "password": "x"})
            for headers in ({"Authorization": "Bearer coach_forged"}, {"X-Coach-Ticket": "forged"}, {}):
                assert stranger.get("/api/me", headers=headers).status_code == 401
        assert cli(data, "user", "disable", "trainer").returncode == 0
        served.stop()
        rows = audit(data)  # of a floor that no server holds …
    with serve(data):
        again = audit(data)  # … and of a running one
    assert again[: len(rows)] == rows
    assert [row["happened_at"] for row in rows] == sorted(row["happened_at"] for row in rows)

    (came,) = found(rows, action=SIGNED_IN)
    assert (came["actor"], came["address"], came["times"]) == ("sup", "127.0.0.1", "1")
    assert before <= came["happened_at"] <= str(to_iso(now()))
    assert found(rows, action="signed_out", actor="sup")
    refused = found(rows, action=REFUSED)
    assert times(refused, actor="blue", subject="GET /api/roster") == times(refused) == 3
    assert len(refused) < 3 and refused[0]["happened_at"] < refused[-1]["last_at"]
    assert times(rows, action=WRONG_PASSWORD, actor="admin") == PER_NAME_AND_ADDRESS
    assert times(rows, action=HELD, actor="admin") == times(rows, action=HELD) == 2
    assert times(rows, action=WRONG_PASSWORD, actor="") == 1
    forged = found(rows, action="not_recognised")
    assert {row["subject"] for row in forged} == {"token at GET /api/me", "ticket at GET /api/me"}
    (sent,) = found(rows, action="sent")
    assert sent["actor"] == "sup" and json.loads(sent["detail"])["recipients"] == 1
    assert found(rows, action="agent_changed", actor="roster", subject="a1")
    assert found(rows, action="cleared_down", actor="admin")
    assert found(rows, action="account_changed", actor="command-line", subject="trainer")
    # What somebody typed as a name may have been a password.
    assert "my secret phrase" not in json.dumps(rows)
    assert b"my secret phrase" not in b"".join(path.read_bytes() for path in data.glob("accounts.sqlite*"))

    assert audit(data, "--from", "2001-01-01", "--to", "2001-01-02") == []
    assert cli(data, "audit", "--from", "yesterday").returncode == 2


def test_some_actions_and_actors_can_be_asked_for_alone(tmp_path: Path):
    data = tmp_path / "floor"
    assert audit(data, "--action", "sent") == [], "what can be on record may be asked for before it is"
    csv_file = tmp_path / "roster.csv"
    csv_file.write_text(roster.write(PEOPLE), encoding="utf-8")
    assert cli(data, "roster", "load", str(csv_file)).returncode == 0
    assert cli(data, "clear-down").returncode == 0
    for name in ("kim", "lee"):
        add_account(data, name, "trainer")
    assert cli(data, "user", "disable", "kim").returncode == 0

    def said(*arguments: str) -> set[tuple[str, str, str]]:
        return {(row["actor"], row["action"], row["subject"]) for row in audit(data, *arguments)}

    changed = {("command-line", "account_changed", "kim")}
    cleared = {one for one in said() if one[1] == "cleared_down"}
    added = {("test", "account_added", name) for name in ("kim", "lee")}
    agents = {("command-line", "agent_changed", agent.agent_id) for agent in PEOPLE}
    assert said() == changed | cleared | added | agents and len(cleared) == 1
    assert said("--action", "account_changed") == changed
    assert said("--action", "account_changed", "account_added") == changed | added
    assert said("--action", "account_added", "--action", "cleared_down") == added | cleared
    assert said("--actor", "TEST") == added
    assert said("--actor", "test", "command-line", "--action", "account_added", "agent_changed") == added | agents
    assert said("--action", "signed_in") == set()
    assert said("--action", "agent_changed", "--to", "2001-01-01") == set()

    wrong = cli(data, "audit", "--action", "cleared_down", "agents_changed")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == (
        "Nothing on record is called 'agents_changed'; these days have account_added, account_changed, agent_changed,"
        " cleared_down.\n"
    )
    wrong = cli(data, "audit", "--action", "x", "--to", "2001-01-01")
    assert wrong.returncode == 1 and "there can be sent, scheduled" in wrong.stderr
    nobody = cli(data, "audit", "--actor", "tset", "test")
    assert nobody.returncode == 0 and nobody.stdout.count("\n") == 1 + len(added)
    assert nobody.stderr == "Nothing on record is by 'tset' in these days (there are command-line and test).\n"


def test_each_change_of_a_template_is_on_record(data: Path):
    text = {"title": 'Queue, "full"', "body": "{name}, please come back", "shared": True}
    with serve(data) as served, served.client("sup") as sup, served.client("blue") as blue:
        made = sup.post("/api/templates", json=text).json()
        own = blue.post("/api/templates", json=text | {"title": "Own", "shared": False}).json()
        where = f"/api/templates/{made['template_id']}"
        assert blue.put(where, json=text | {"title": "Ruhe – bitte", "version": 1}).status_code == 200
        assert sup.delete(where).status_code == 204
        assert sup.put(where, json=text | {"version": 3}).status_code == 200
        rows = [row for row in audit(data) if row["action"].startswith("template_")]
    number, another = str(made["template_id"]), str(own["template_id"])
    assert [(row["actor"], row["action"], row["subject"]) for row in rows] == [
        ("sup", "template_added", number),
        ("blue", "template_added", another),
        ("blue", "template_changed", number),
        ("sup", "template_deleted", number),
        ("sup", "template_brought_back", number),
    ]
    assert [json.loads(row["detail"]) for row in rows[:3]] == [
        {"version": 1, "title": text["title"], "owner": "sup", "shared": True},
        {"version": 1, "title": "Own", "owner": "blue", "shared": False},
        {"version": 2, "title": "Ruhe – bitte", "owner": "sup", "shared": True},
    ]
    assert rows[0]["happened_at"] == made["changed_at"]
    assert audit(data, "--action", "template_deleted") == [rows[3]]


def test_every_action_is_known_and_explained(repository: Path):
    """What the code puts on record, what ``--action`` takes, and the table in docs/security.md."""
    written = {HELD, REFUSED, SIGNED_IN, WRONG_PASSWORD, SIGNED_OUT, NOT_RECOGNISED, TOO_MANY, pseudonyms.ACTION}
    for path in (repository / "coachsim").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        written |= set(re.findall(r'\bactor=[\w.]+, action="(\w+)"', code))
        written |= set(re.findall(r"(?:THEN|ELSE) '(template_\w+)'", code))
        written |= set(re.findall(r'\baudit\(db, \w+, "(\w+)"', code))
    schema = (repository / "coachsim" / "log" / "schema.sql").read_text(encoding="utf-8")
    (kinds,) = re.findall(r"CREATE VIEW open_audit.*?WHERE kind IN \((.*?)\)", schema, re.DOTALL)
    written |= set(re.findall(r"'(\w+)'", kinds)) - {"audited"}
    assert {"sent", "retention", "account_added"} <= written, "the code is read as it is written"
    assert written == set(ACTIONS)
    paper = (repository / "docs" / "security.md").read_text(encoding="utf-8")
    table = paper.partition("| action | means |")[2].partition("\n\n")[0]
    explained = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(explained) == sorted(ACTIONS)


def test_an_attacker_cannot_fill_the_record(tmp_path: Path):
    store = Store(tmp_path)
    try:
        comings = Comings(store)
        for number in range(5 * MOST_AN_HOUR):
            comings.count(REFUSED, address=f"2001:db8::{number:x}", subject="GET /api/me")
            if number % 500 == 0:
                comings.write()
        comings.count(SIGNED_IN, account="sup", address="192.0.2.1")  # goes on record all the same
        comings.write()
        rows = store.rows("SELECT action, address, times FROM coming")
        assert len(rows) <= 2 * (MOST_AN_HOUR + 2)  # the clock may have struck while the test ran
        assert sum(row["times"] for row in rows if row["action"] == REFUSED) == 5 * MOST_AN_HOUR
        assert sum(row["times"] for row in rows if row["address"] == OTHERS) >= 3 * MOST_AN_HOUR
        assert [row["address"] for row in rows if row["action"] == SIGNED_IN] == ["192.0.2.1"]
        comings.forget(1)
        assert len(store.rows("SELECT 1 FROM coming")) == len(rows)
        with store.change() as db:
            db.execute("UPDATE coming SET last_at = last_at - 86400000000 * 2 WHERE action = ?", (REFUSED,))
        comings.forget(1)
        assert [row["action"] for row in store.rows("SELECT action FROM coming")] == [SIGNED_IN]
    finally:
        store.close()


def test_a_file_of_accounts_from_before_there_was_this_record_is_taken_over(data: Path):
    with sqlite3.connect(data / ACCOUNTS_FILE) as db:
        db.execute("DROP TABLE coming")
        db.execute("DROP TABLE template_version")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with serve(data) as served, served.browser("sup") as sup:
        assert sup.get("/api/me").json()["name"] == "sup"
    assert found(audit(data), action=SIGNED_IN, actor="sup")


@pytest.mark.parametrize("path", ["/api/me", "/api/roster", "/agent", "/nothing", "/api/messages?token={secret}"])
def test_no_secret_is_in_a_log_line_or_in_an_error(data: Path, path: str):
    with serve(data, "--verbose") as served, served.browser("sup") as sup:
        raw, ticket = make_ticket(data, "sup")
        token = served.token("blue")
        secrets = [PASSWORD, raw, ticket, token, sup.cookies["coachsim_session"], "a wrong password"]
        said = []
        for secret in secrets:
            for headers in ({"X-Coach-Ticket": secret}, {"Authorization": f"Bearer {secret}"},
                            {"Authorization": secret}, {"Cookie": f"coachsim_session={secret}"}):  # fmt: skip
                for method in ("GET", "POST", "DELETE"):
                    answer = httpx.request(
                        method, served.url + path.format(secret=secret), headers=headers, timeout=DEADLINE_S
                    )
                    said.append(answer.text + str(answer.headers))
        form = {"username": "a wrong password", "password": "a wrong password"}
        said.append(sup.post("/login", data=form | {"username": "sup"}).text)
        sup.post("/login", data=form)
        served.stop()
        logged = (data / "said.txt").read_text(encoding="utf-8")
    assert "GET " + path.partition("?")[0] in logged
    assert [secret for secret in secrets if secret in logged] == []
    assert [secret for secret in secrets if any(secret in text for text in said)] == []


def test_the_record_is_for_its_owner_only(served: Served):
    with served.browser("sup"):
        for path in served.data.glob("accounts.sqlite*"):
            assert path.stat().st_mode & 0o077 == 0, path
