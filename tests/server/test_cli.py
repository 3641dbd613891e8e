"""The command line, beside a running server and without one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from tempfile import TemporaryDirectory

import duckdb
import pytest

from coachsim import roster
from coachsim.errors import ServerUnavailable
from coachsim.log import LogWriter
from coachsim.models import Agent
from coachsim.server.local import FILE_NAME, RunningServer
from tests.serving import PASSWORD, PEOPLE, Served, add_account, serve


def cli(*arguments, data=None, stdin=None, env=None):
    command = [sys.executable, "-m", "coachsim.cli", *arguments, *(["--data", str(data)] if data else [])]
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **(env or {})},
    )


def failed(run: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one sentence of a command that failed."""
    assert run.returncode == code, run
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr.strip()


def test_users_are_added_listed_changed_and_disabled(tmp_path):
    data = tmp_path / "floor"
    added = cli("user", "add", "dana", "--role", "supervisor", "--role", "analyst", "--teams", "Blue,Red", data=data)
    assert added.returncode == 0, added.stderr
    assert "Password (shown only now): " in added.stdout
    assert cli("user", "add", "ann", "--role", "agent", "--agent", "a1", "--password-stdin", data=data,
               stdin=PASSWORD).returncode == 0  # fmt: skip
    listed = cli("user", "list", data=data).stdout.splitlines()
    assert listed == ["ann\tactive\tagent · agent a1", "dana\tactive\tsupervisor, analyst · Blue, Red"]
    assert cli("user", "disable", "ann", data=data).returncode == 0
    assert cli("user", "list", data=data).stdout.splitlines()[0].startswith("ann\tdisabled")
    assert "disabled" in failed(cli("token", "ann", data=data))
    assert cli("user", "change", "ann", "--enable", data=data).returncode == 0
    token = cli("token", "ann", env={"COACHSIM_DATA": str(data)})
    assert token.stdout.count("\n") == 1
    assert token.stdout.strip()


def test_teams_and_agents_that_the_roster_does_not_have_are_named_and_the_account_is_made(tmp_path):
    data = tmp_path / "floor"
    csv = tmp_path / "roster.csv"

    def add(name: str, *options: str) -> str:
        run = cli("user", "add", name, "--no-password", *options, data=data)
        assert (run.returncode, run.stdout) == (0, f"Added {name}.\n"), run
        return run.stderr

    supervisor = ("--role", "supervisor", "--teams")
    assert add("early", *supervisor, "Nowhere") == "", "nothing can be known before there is a roster"
    people = [replace(agent, team=f"Team {number}") for number, agent in enumerate(PEOPLE)]
    csv.write_text(roster.write([*people, Agent("a5", "Ed", "Blue"), Agent("b1", "Flo", "Red, Night", active=False)]))
    with serve(data, "--roster", str(csv)) as served:
        assert add("kim", *supervisor, 'Blue,Team 3,"Red, Night"') == "", "former agents' teams are in the log"
        says = add("lee", *supervisor, "Blue,blu,Teem 3")
        assert served.stop() == 0
    assert says == (
        "The roster has no team 'Teem 3' or 'blu' (there are Blue, Team 0, Team 1, Team 2, Team 3 and 1 more); lee was"
        " added all the same: put it right with 'coachsim user change lee --teams …', or load a roster that has it.\n"
    )
    # Without a server the log says so.
    both = ("--role", "agent", "--agent", "a55", *supervisor)
    says = add("max", *both, "all")
    assert says.startswith("The roster has no agent 'a55' (there are a1, a2, a3, a4, a5 and 1 more); max was added")
    assert says.count("\n") == 1
    assert add("ann", "--role", "agent", "--agent", "b1") == ""
    changed = cli("user", "change", "ann", "--agent", "b2", data=data)
    assert (changed.returncode, changed.stdout) == (0, "Changed ann; its sign-ins have ended.\n")
    assert "no agent 'b2'" in changed.stderr and "ann was changed all the same" in changed.stderr
    assert cli("user", "change", "ann", "--enable", data=data).stderr == "", "nothing was said of the floor"
    with LogWriter.open(data / "log.duckdb"):
        assert add("odd", *supervisor, "Nowhere") == "", "nobody can be asked while another has the log"
    listed = cli("user", "list", data=data).stdout
    assert "lee\tactive\tsupervisor · Blue, Teem 3, blu\n" in listed
    assert "ann\tactive\tagent · agent b2\n" in listed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "dana", "--role", "supervisor"), "teams"),
        (("add", "dana", "--role", "analyst", "--teams", ","), "teams"),
        (("add", "floor", "--role", "trainer"), "floor"),
        (("add", "a b", "--role", "trainer"), "account name"),
        (("add", "ann", "--role", "agent"), "agent"),
        (("add", "ann", "--role", "trainer", "--agent", "a1"), "agent"),
        (("add", "dana", "--role", "trainer", "--password-stdin"), "8 characters"),
        (("add", "Taken", "--role", "trainer"), "already"),
        (("disable", "nobody"), "no account 'nobody' in {folder}"),
        (("change", "taken"), "what to change"),
    ],
)
def test_what_makes_no_sense_of_an_account_is_refused(tmp_path, arguments, says):
    add_account(tmp_path, "taken", "trainer")
    assert says.format(folder=tmp_path) in failed(cli("user", *arguments, data=tmp_path, stdin="short\n"))


@pytest.mark.parametrize(
    "arguments",
    [(), ("dance",), ("user",), ("user", "add", "x"), ("user", "add", "x", "--role", "king"), ("serve", "--port", "x")],
)
def test_wrong_use_is_exit_code_2(arguments):
    assert "--help" in failed(cli(*arguments), 2)


def test_what_is_empty_says_what_to_do(tmp_path):
    data = tmp_path / "floor"
    nobody = cli("user", "list", data=data)
    assert (nobody.returncode, nobody.stdout) == (0, ""), "a script finds no line of an account"
    assert nobody.stderr == "There is no account yet. Add one with 'coachsim user add NAME --role ROLE'.\n"
    assert failed(cli("log", "archive", data=data)).startswith(f"There is no log in {data}. Name another folder")
    csv = tmp_path / "roster.csv"
    csv.write_text("agent_id,name,team,campaigns,lists,queues,active\na1,Ann,Blue,,,,\n")
    assert cli("roster", "load", str(csv), data=data).returncode == 0
    archived = cli("log", "archive", data=data)
    assert archived.stdout.startswith("Nothing was written: none of the days asked for is over."), archived.stderr


def test_roster_check_and_load_without_a_server(tmp_path):
    csv = tmp_path / "roster.csv"
    csv.write_text("agent_id,name,team,campaigns,lists,queues,active\na1,Ann,Blue,,,,\na2,,Blue,,,,\n")
    data = tmp_path / "floor"
    for command in ("check", "load"):
        run = cli("roster", command, str(csv), data=data)
        assert run.returncode == 1
        assert "line 3" in run.stderr
    csv.write_text("agent_id,name,team,campaigns,lists,queues,active\na1,Ann,Blue,,,,\n")
    assert "1 agent" in cli("roster", "check", str(csv), data=data).stdout
    assert not (data / "log.duckdb").exists()
    assert cli("roster", "load", str(csv), data=data).stdout == "1 agent in the roster, 1 of them new or changed.\n"
    assert "0 of them" in cli("roster", "load", str(csv), data=data).stdout
    assert "cannot be read" in failed(cli("roster", "load", str(tmp_path / "none.csv"), data=data))


@pytest.mark.parametrize("running", [False, True])
def test_a_roster_from_standard_input(running, data):
    csv = roster.write([*PEOPLE, replace(PEOPLE[0], agent_id="a5", name="Zoë")])
    assert cli("roster", "check", "-", stdin=csv, env={"PYTHONUTF8": "1"}).stdout == "- is in order: 5 agents.\n"
    with serve(data) if running else nullcontext():
        said = cli("roster", "load", "-", data=data, stdin=csv, env={"PYTHONUTF8": "1"}).stdout
        assert said == f"5 agents in the roster, {1 if running else 5} of them new or changed.\n"


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_when_the_server_answers_and_no_earlier(abstract, data, monkeypatch):
    name = f"coachsim-{os.getpid()}"
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        path = f"{folder}/{name}"  # not under tmp_path, which may be longer than such a name can be
        systemd.bind(f"\0{name}" if abstract else path)
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else path)
        with serve(data) as served:
            told = systemd.recv(1000).decode()
            assert served.get("/healthz").json()["status"] == "ok"
            assert told == f"READY=1\nSTATUS=serving {data} at {served.url}/"
            assert served.stop() == 0


def test_what_needs_the_log_asks_the_running_server(served: Served, tmp_path):
    info = json.loads((served.data / FILE_NAME).read_text())
    assert (info["url"], (served.data / FILE_NAME).stat().st_mode & 0o077) == (served.url, 0)
    csv = tmp_path / "more.csv"
    csv.write_text("agent_id,name,team,campaigns,lists,queues,active\na5,Eve,Green,,,,\n")
    assert "1 of them" in cli("roster", "load", str(csv), data=served.data).stdout
    with served.client("sup") as sup:
        assert len(sup.get("/api/agents").json()["agents"]) == 5
        sup.post("/api/messages", json={"audience": {"everyone": True}, "body": "Hello", "request_id": "1"})
        backup = tmp_path / "backup.duckdb"
        assert cli("log", "backup", str(backup), data=served.data).returncode == 0
        assert "exists already" in failed(cli("log", "backup", str(backup), data=served.data))
        with duckdb.connect(str(backup), read_only=True) as log:
            assert log.sql("SELECT count(*) FROM deliveries").fetchall() == [(5,)]
        assert cli("clear-down", data=served.data).returncode == 0
        (message,) = sup.get("/api/messages").json()["messages"]
        assert message["by_status"]["lost"] == 5
    assert served.stop() == 0
    assert not (served.data / FILE_NAME).exists()


def test_a_crashed_servers_file_misleads_nobody(data):
    with serve(data) as served:
        served.kill()
    assert (data / FILE_NAME).exists()
    assert cli("clear-down", data=data).returncode == 0
    with serve(data) as again, again.client("sup") as sup:
        assert sup.get("/api/me").status_code == 200


def test_a_server_that_does_not_answer_just_now_is_not_taken_for_none(data, monkeypatch):
    monkeypatch.setattr("coachsim.server.local._FIND_S", 1.0)
    with serve(data) as served:
        served.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(ServerUnavailable, match="runs, and has not answered for 1 s"):
                RunningServer.find(data)
        finally:
            served.process.send_signal(signal.SIGCONT)


def test_a_backup_over_http_is_for_the_servers_machine_only(served: Served, tmp_path):
    with served.client("admin") as admin:
        answer = admin.post("/api/backup", json={"path": str(tmp_path / "stolen.duckdb")})
        assert answer.status_code == 403
        assert not (tmp_path / "stolen.duckdb").exists()


def test_a_port_or_a_log_in_use_is_one_sentence(served: Served, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = failed(cli("serve", "--no-desk", "--port", port, data=tmp_path / "other"))
        assert f"Port {port}" in said
    said = failed(cli("serve", "--no-desk", "--port", "0", data=served.data))
    assert "open" in said or "use" in said


def test_another_address_is_refused_without_accounts(tmp_path):
    said = failed(cli("serve", "--no-desk", "--port", "0", "--host", "0.0.0.0", data=tmp_path))
    assert "There is no account yet" in said


def test_bad_settings_and_a_bad_roster_stop_the_start(tmp_path):
    (tmp_path / "settings.toml").write_text('tme_zone = "UTC"\n')
    assert "time_zone" in failed(cli("serve", "--no-desk", "--port", "0", data=tmp_path))
    (tmp_path / "settings.toml").write_text('time_zone = "UTC"\n')
    (tmp_path / "bad.csv").write_text("agent_id,name\n")
    run = cli("serve", "--no-desk", "--port", "0", "--roster", str(tmp_path / "bad.csv"), data=tmp_path)
    assert run.returncode == 1
    assert "line 1" in run.stderr
