"""The command line with odd arguments, files and folders: one sentence and an exit code, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coachsim.cli import main
from coachsim.server.local import FILE_NAME

HEADER = "agent_id,name,team,campaigns,lists,queues,active\n"
#: A name as a file system may have it and no text does: the byte 0xFF.
NO_TEXT = "\udcff"
HERE = ["--port", "0", "--no-desk"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with files and data folders, sound and unsound."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "latin.csv").write_bytes((HEADER + "a1,Chloé,Blue,,,,\n").encode("latin-1"))
    (tmp_path / "latin.toml").write_bytes('name = "café"'.encode("latin-1"))
    (tmp_path / "good.csv").write_text(HEADER + "a1,Ann,Blue,,,,\n", encoding="utf-8")
    good = 'name = "x"\nfloor.agents = 5\nfloor.teams = 1\n[[shifts]]\nstart = "09:00"\n'
    (tmp_path / "good.toml").write_text(good, encoding="utf-8")
    for name, content in (
        ("settings.toml", b"\xff"),
        ("log.duckdb", b"no log" * 2_000),
        ("accounts.sqlite", b"no accounts" * 500),
    ):
        (tmp_path / f"bad-{name}").mkdir()
        (tmp_path / f"bad-{name}" / name).write_bytes(content)
        (tmp_path / f"folder-{name}").mkdir()
        (tmp_path / f"folder-{name}" / name).mkdir()
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in that folder: its exit code, what it printed, and its complaint."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code: object = main(arguments)
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


Run = Callable[..., tuple[int, str, str]]
NO_FILES = ["none", "folder", "empty", "noise", "", NO_TEXT, "n" * 300, "good.csv/x", "/dev/null"]


@pytest.mark.parametrize("path", [*NO_FILES, "latin.csv", "latin.toml"])
@pytest.mark.parametrize(
    "command",
    [
        ["roster", "check", "PATH"],
        ["roster", "load", "PATH", "--data", "new"],
        ["simulate", "PATH", "--seed", "1", "--out", "new.duckdb"],
        ["compare", "PATH", "--replications", "2"],
        ["log", "upgrade", "PATH"],
        ["log", "summary", "--data", "PATH"],
        ["log", "pseudonym", "a1", "--data", "PATH"],
        ["serve", *HERE, "--data", "new", "--roster", "PATH"],
        ["serve", *HERE, "--data", "new", "--practice", "PATH"],
        ["serve", *HERE, "--data", "new", "--behind-proxy", "--sign-on-header", "X-User", "--proxy-secret", "PATH"],
    ],
    ids=" ".join,
)
def test_a_file_that_is_not_there_or_not_what_is_wanted(run: Run, command: list[str], path: str):
    code, out, error = run(*(path if part == "PATH" else part for part in command))
    assert (code, out) == (1, "")
    assert len(error.splitlines()) == 1 and len(error) > 20
    assert "Traceback" not in error


@pytest.mark.parametrize("out", ["folder", NO_TEXT, "n" * 300, "good.csv/x", "/proc/none/x"])
@pytest.mark.parametrize(
    "command",
    [
        ["simulate", "good.toml", "--seed", "1", "--out", "OUT"],
        ["log", "backup", "OUT", "--data", "floor"],
        ["backup", "OUT/x", "--data", "floor"],
    ],
    ids=" ".join,
)
def test_a_place_where_nothing_can_be_written_and_nothing_is(run: Run, folder: Path, command: list[str], out: str):
    assert run("roster", "load", "good.csv", "--data", "floor")[0] == 0
    if command[0] == "backup" and out == "folder":
        (folder / "folder" / "x").write_text("in the way")
    before = files(folder)
    code, said, error = run(*(part.replace("OUT", out) for part in command))
    assert (code, said, len(error.splitlines())) == (1, "", 1), error
    assert files(folder) - before <= {folder / NO_TEXT, folder / NO_TEXT / "x"}, "nothing half done is left"


@pytest.mark.parametrize("name", ["settings.toml", "log.duckdb", "accounts.sqlite"])
@pytest.mark.parametrize("how", ["bad", "folder"])
def test_a_data_folder_with_a_file_that_cannot_be_used_is_named_by_who_needs_it(run: Run, how: str, name: str):
    needs = {
        "settings.toml": [["clear-down"], ["roster", "load", "good.csv"], ["serve", *HERE]],
        "log.duckdb": [["clear-down"], ["log", "summary"], ["log", "archive"], ["backup", "b"], ["serve", *HERE]],
        "accounts.sqlite": [
            ["user", "list"],
            ["user", "add", "n", "--role", "trainer"],
            ["token", "n"],
            ["serve", *HERE],
        ],
    }
    for command in needs[name]:
        code, out, error = run(*command, "--data", f"{how}-{name}")
        assert (code, out, len(error.splitlines())) == (1, "", 1), (command, error)
        assert name in error


@pytest.mark.parametrize("content", [b"\xff{", b"[1]", b'{"url": 3, "token": null}', b"{}", b""])
def test_a_broken_note_of_a_running_server_misleads_nobody(run: Run, folder: Path, content: bytes):
    (folder / "floor").mkdir()
    (folder / "floor" / FILE_NAME).write_bytes(content)
    assert run("roster", "load", "good.csv", "--data", "floor")[:2] == (
        0,
        "1 agent in the roster, 1 of them new or changed.\n",
    )


NUMBERS = ["-1", "nan", "inf", "1e3", "x", "", "²", "0x1", "9" * 30]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--no-desk", "--port"],
        ["compare", "good.toml", "--replications"],
        ["compare", "good.toml", "--replications", "2", "--seed"],
        ["backup", "b", "--data", "none", "--keep"],
        ["compare", "good.toml", "good.toml", "--half-width"],
    ],
    ids=" ".join,
)
def test_a_number_that_is_none_or_too_much_is_wrong_use(run: Run, command: list[str], number: str):
    code, out, error = run(*command, number)
    if (command[-1], number) in (("--half-width", "1e3"), ("--half-width", "9" * 30), ("--keep", "9" * 30)):
        assert (code, len(error.splitlines())) == (1, 1)  # numbers like any other; something else is in the way
    else:
        assert (code, out, len(error.splitlines())) == (2, "", 1), error
        assert "--help'." in error


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "command", [["serve", *HERE, "--data", "new", "--practice", "good.toml", "--speed"],
                ["serve", *HERE, "--data", "new", "--practice", "good.toml", "--seed"],
                ["simulate", "good.toml", "--seed", "1", "--out", "new.duckdb", "--days"],
                ["simulate", "good.toml", "--out", "new.duckdb", "--seed"]], ids=" ".join
)  # fmt: skip
def test_a_number_that_a_simulation_cannot_have_is_refused_before_anything_is_made(
    run: Run, folder: Path, command: list[str], number: str
):
    if (command[-1], number) == ("--speed", "1e3"):
        return  # a speed like any other
    code, out, error = run(*command, number)
    assert code in (1, 2) and out == "" and len(error.splitlines()) == 1, error
    assert not (folder / "new.duckdb").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["log", "summary", "--url", "http://["],
        ["log", "export", "x.csv", "--url", "http://127.0.0.1:99999"],
        ["log", "summary", "--url", ""],
        ["log", "summary", "--url", f"http://{NO_TEXT}/"],
        ["desk", "--desk-file", "d.json", "--data", "new", "--front", "http://["],
        ["desk", "--desk-file", "d.json", "--data", "new", "--front", "127.0.0.1:8800"],
        ["serve", *HERE, "--data", "new", "--host", "999.1.1.1"],
        ["serve", *HERE, "--data", "new", "--host", "x y"],
        ["serve", *HERE, "--data", "new", "--behind-proxy", "127.0.0.1/99"],
        ["serve", *HERE, "--data", "new", "--behind-proxy", ","],
        ["serve", *HERE, "--data", "new", "--identity-provider", ""],
        ["serve", *HERE, "--data", "new", "--identity-provider", "..:x"],
        ["serve", *HERE, "--data", "new", "--identity-provider", "json:nothing"],
        ["serve", *HERE, "--data", "new", "--identity-provider", "builtins:int"],
        ["compare", "good.toml", "--replications", "2", "--cluster", "nowhere"],
        ["user", "add", NO_TEXT, "--role", "trainer", "--data", "new"],
        ["user", "add", "\u200b", "--role", "trainer", "--data", "new"],
        ["user", "add", "floor", "--role", "trainer", "--data", "new"],
        ["user", "add", "n", "--role", "agent", "--agent", "a b", "--data", "new"],
        ["user", "add", "n", "--role", "agent", "--agent", NO_TEXT, "--data", "new"],
        ["user", "add", "n", "--role", "supervisor", "--teams", NO_TEXT, "--data", "new"],
        ["user", "change", NO_TEXT, "--enable", "--data", "new"],
        ["token", NO_TEXT, "--data", "new"],
        ["token", "", "--data", "new"],
        ["log", "pseudonym", NO_TEXT, "--data", "floor"],
        ["log", "pseudonym", "../x", "--data", "floor"],
        ["clear-down", "--data", NO_TEXT],
        ["roster", "load", "good.csv", "--data", NO_TEXT],
    ],
    ids=lambda command: ascii(" ".join(command)),
)
def test_a_value_that_makes_no_sense_is_one_sentence(run: Run, command: list[str]):
    assert run("roster", "load", "good.csv", "--data", "floor")[0] == 0
    code, out, error = run(*command)
    assert code in (1, 2) and out == "" and len(error.splitlines()) == 1, error
    error.encode("utf-8", "backslashreplace")


def test_a_team_with_a_comma_in_its_name_is_written_in_quotes(run: Run):
    teams = 'Blue, "Sales, North",The "A" team,<b>'
    assert run("user", "add", "n", "--role", "supervisor", "--teams", teams, "--data", "new")[0] == 0
    code, out, _ = run("user", "list", "--data", "new")
    assert (code, out) == (0, 'n\tactive\tsupervisor · <b>, Blue, Sales, North, The "A" team\n')


@pytest.mark.parametrize("day", ["", "monday", "2026-02-30", "2026-13-01", "٢٠٢٦-٠١-٠١", "0000-01-01", NO_TEXT])
@pytest.mark.parametrize("command", [["summary"], ["export", "x.csv"], ["archive"]], ids=" ".join)
def test_a_day_that_there_is_not_is_wrong_use(run: Run, command: list[str], day: str):
    code, out, error = run("log", *command, "--data", "floor", "--from", day)
    assert (code, out, len(error.splitlines())) == (2, "", 1)


def test_a_name_that_the_terminal_cannot_show_is_written_in_other_characters(folder: Path):
    odd = os.fsencode(folder) + b"/caf\xe9.csv"
    Path(os.fsdecode(odd)).write_text((folder / "good.csv").read_text())
    for encoding in ("utf-8", "ascii"):
        done = subprocess.run(
            [sys.executable.encode(), b"-m", b"coachsim.cli", b"roster", b"check", odd],
            capture_output=True,
            check=False,
            timeout=100,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"caf\\udce9.csv is in order: 1 agent." in done.stdout
