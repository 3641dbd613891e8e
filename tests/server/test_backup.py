"""A backup while the server runs, and a floor that is put back from it."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from coachsim.errors import CoachsimWarning
from coachsim.log import LogWriter, Run, open_log
from tests.server.past import two_closed_days
from tests.server.test_sign_in import cli
from tests.serving import PEOPLE, serve


def test_days_that_only_the_archive_has_are_read_from_a_backup_with_the_archive_beside_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    two_closed_days(data, PEOPLE)
    assert cli(data, "log", "archive").returncode == 0
    with open_log(data) as log:
        (past, *_) = log.days().day[log.days().deliveries > 0]
    for path in data.glob("log.duckdb*"):
        path.unlink()  # the log is begun anew
    with serve(data) as served:
        monkeypatch.setenv("COACHSIM_TOKEN", served.token("sup"))
        with served.client("sup") as sup:
            send(sup, 1)
        for days in ({}, {"from_day": past}, {"to_day": past}, {"from_day": "2001-01-01", "to_day": "2999-01-01"}):
            with pytest.warns(
                CoachsimWarning, match=f"does not have the days {past} to .* open a backup with the arch"
            ):
                log = open_log(served.url, **days)
            with log:
                assert past not in set(log.deliveries().day)
        fitted = cli(data, "fit", served.url)
        assert fitted.stderr.startswith(f"The log of {served.url} does not have the days {past} to "), fitted
        assert len(fitted.stderr.splitlines()) == 2, "that sentence, and that too little was read"
        for days in ({"from_day": "2998-01-01"}, {"to_day": "2001-01-01"}):
            open_log(served.url, **days).close()  # warnings are errors: these days are in no archive
        with served.client("sup") as sup:
            assert "X-Coach-Older-Days" not in sup.get("/api/log/deliveries.parquet").headers
        assert cli(data, "backup", str(tmp_path / "backups")).returncode == 0
    (made,) = backups(tmp_path / "backups")
    (made / "archive").symlink_to(data / "archive")
    with open_log(made) as log:
        assert past in set(log.deliveries().day)
        assert "number 1" in set(log.messages().body)


def send(client, number: int) -> int:
    message = {"audience": {"everyone": True}, "body": f"number {number}", "request_id": str(number)}
    answer = client.post("/api/messages", json=message)
    assert answer.status_code == 201, answer.text
    return answer.json()["message_id"]


def backups(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_floor_is_put_back_from_a_backup_made_while_it_ran(data: Path, tmp_path: Path):
    own = {
        "settings.toml": 'floor_name = "Leeds"\n',
        "attention.toml": "[attention]\nfatigue = 0.2\n",
        "scenarios/ours.toml": "# ours\n",
    }
    (data / "scenarios").mkdir()
    for name, text in own.items():
        (data / name).write_text(text, encoding="utf-8")
    place = tmp_path / "backups"
    with serve(data) as served:
        with served.browser("sup") as sup:
            send(sup, 1)
            done = cli(data, "backup", str(place))
            assert done.returncode == 0, done.stderr
            send(sup, 2)
            cookies = dict(sup.cookies)
        served.kill()
    (made,) = backups(place)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert "read back" in done.stdout and str(made) in done.stdout
    assert {name: (made / name).read_text(encoding="utf-8") for name in own} == own
    log = data / "log.duckdb"
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])

    # The steps of docs/operations.md: the damaged folder aside, the backup in its place.
    data.rename(tmp_path / "damaged")
    shutil.copytree(made, data)
    (data / "cookie_secret").unlink()
    with serve(data) as again, again.client("sup") as sup:
        assert [message["body"] for message in sup.get("/api/messages").json()["messages"]] == ["number 1"]
        assert sup.get("/api/floor").json()["floor"] == "Leeds"
        # A page that has seen what is gone now is signed out, so it does not go on from there.
        for path in ("/api/me", "/api/events"):
            assert again.get(path, cookies=cookies).status_code == 401
        send(sup, 3)


def test_a_backup_is_whole_or_not_there(data: Path, tmp_path: Path):
    place = tmp_path / "backups"
    done = cli(data, "backup", str(place))
    assert (done.returncode, done.stderr) == (
        1,
        f"There is no log in {data}. Name another folder with --data, or start its server first.\n",
    )
    assert backups(place) == []
    (data / "log.duckdb").write_bytes(b"no log at all, but something that takes its place" * 1_000)
    done = cli(data, "backup", str(place))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert backups(place) == []


def test_a_floor_without_a_server_is_backed_up_too_and_old_backups_go(data: Path, tmp_path: Path):
    LogWriter.open(data / "log.duckdb", Run()).close()
    place = tmp_path / "backups"
    place.mkdir()
    for name in ("2026-01-01T030000Z", "2026-01-02T030000Z", "2026-01-03T030000Z", "notes"):
        (place / name).mkdir()
    assert cli(data, "backup", str(place), "--keep", "2").returncode == 0
    *old, new, notes = backups(place)
    assert [path.name for path in [*old, notes]] == ["2026-01-03T030000Z", "notes"]
    assert {path.name for path in new.iterdir()} == {"log.duckdb", "accounts.sqlite"}
    with open_log(new / "log.duckdb") as log:
        assert log.sql("SELECT kind FROM run")["kind"].tolist() == ["live"]
    assert cli(new, "user", "list").stdout.count("\n") == 10


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_how_many_to_keep_is_a_number(data: Path, number: str):
    assert cli(data, "backup", "backups", "--keep", number).returncode == 2
