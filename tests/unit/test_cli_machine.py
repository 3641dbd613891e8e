"""Whom a file is closed to, said only where that is what is wrong."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from coachsim.cli import machine, main
from coachsim.errors import CoachsimError

ME = f"This command runs as the user {pwd.getpwuid(os.geteuid()).pw_name}."


def test_who_may_not_open_a_file_is_named():
    closed = PermissionError(13, "Permission denied", "roster.csv")
    assert machine.closed_to(closed) == f" {ME}"
    told = CoachsimError("The roster cannot be read.")
    told.__cause__ = closed
    assert machine.closed_to(told) == f" {ME}"
    assert machine.closed_to(FileNotFoundError(2, "No such file or directory", "roster.csv")) == ""
    assert machine.closed_to(CoachsimError("There is no agent.")) == ""


def test_a_command_that_may_not_write_says_as_whom_it_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    csv = tmp_path / "roster.csv"
    csv.write_text("agent_id,name,team,campaigns,lists,queues,active\na1,Ann,Blue,,,,\n", encoding="utf-8")
    data = ["--data", str(tmp_path / "floor")]
    assert main(["roster", "load", str(csv), *data]) == 0
    assert main(["log", "export", "/sys/november.csv", *data]) == 1
    assert capsys.readouterr().err == f"/sys/november.csv: Permission denied. {ME}\n"
