"""``coachsim log``: what is in a log, tables of it as files, and copies of the whole.

A log that a server has open is asked for through the server; any other is opened here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coachsim.errors import CoachsimError

if TYPE_CHECKING:
    from coachsim.log import MessageLog
    from coachsim.log.remote import ServerSource

_TABLES = ("deliveries", "messages", "state_changes", "agents", "agent_versions", "days", "run", "audit")


def add_commands(group: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the commands of ``coachsim log`` to its group; ``command(group, name, run, about)`` makes one."""
    summary = command(group, "summary", _summary, "what was sent, notified, read and lost on each day")
    _asks_a_server(summary)
    add_days(summary)
    export = command(group, "export", _export, "write a table of the log to a file: .parquet or .csv")
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--table", choices=_TABLES, default="deliveries", help="which one (deliveries)")
    _asks_a_server(export)
    add_days(export)
    backup = command(group, "backup", _backup, "copy the log, also while the server runs")
    backup.add_argument("file", type=Path, metavar="FILE")
    about = "bring a log of an earlier version to today's format; the old one is kept beside it"
    command(group, "upgrade", _upgrade, about).add_argument("file", type=Path, metavar="FILE")


def _asks_a_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        metavar="URL",
        help="ask the server at this address instead of --data, with the token in COACHSIM_TOKEN",
    )
    parser.set_defaults(wrong_use=parser.error)


def add_days(parser: argparse.ArgumentParser) -> None:
    """Adds ``--from`` and ``--to``, days as labels, to the parser of a command."""
    for name, says in (("from", "first"), ("to", "last")):
        parser.add_argument(
            f"--{name}", dest=f"{name}_day", type=_day, metavar="DAY", help=f"the {says} day (as 2026-11-22)"
        )


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no day; write it as 2026-11-22") from None


# --- commands ---


def _summary(arguments: argparse.Namespace) -> None:
    from coachsim.log import LOG_FILE, MessageLog, open_log
    from coachsim.log.part import Part

    file: Path | None = arguments.data if arguments.data.is_file() else arguments.data / LOG_FILE
    source = server_of(arguments)
    if source is None:
        log = open_log(arguments.data)
    else:
        file = None if arguments.url else file
        with source:
            log = MessageLog.of_part(Part(source, source.url, ("run", "all_days", "deliveries")), source.url)
    with log:
        lines = summary_lines(log, arguments.from_day, arguments.to_day)
        print("\n".join([*lines, "", about_line(log, file)]))
    if len(lines) == 2:  # the heading, and the line of all days
        _say_why_nothing(arguments)


def _export(arguments: argparse.Namespace) -> None:
    from coachsim.log import export, open_log

    out: Path = arguments.file
    if out.suffix not in export.ENDINGS:
        arguments.wrong_use(f"FILE ends in .parquet or .csv, not {out.name}")
    export.check(out)
    source = server_of(arguments)
    if source is None:
        with open_log(arguments.data) as log:
            rows = export.export(log, arguments.table, out, arguments.from_day, arguments.to_day)
    else:
        with source, tempfile.TemporaryDirectory(prefix="coachsim-") as folder:
            fetched = Path(folder) / "table.parquet"
            source.fetch(arguments.table, fetched, None)
            rows = export.place(fetched, out)
    print(f"{rows:,} {'row' if rows == 1 else 'rows'} of {arguments.table} written to {out}.")
    if not rows:
        _say_why_nothing(arguments)


def _say_why_nothing(arguments: argparse.Namespace) -> None:
    """A hint on standard error, where only some days were asked for: that days may have been removed."""
    if arguments.from_day is not None or arguments.to_day is not None:
        print(
            "There is nothing of these days. 'coachsim log summary' lists the days that there are; those older than"
            " retention_days have been removed, which 'coachsim audit --action retention' shows.",
            file=sys.stderr,
        )


def server_of(arguments: argparse.Namespace) -> ServerSource | None:
    """The server to ask: the one at --url, else the one that has the log of --data open."""
    from coachsim.log.remote import ServerSource
    from coachsim.server.local import RunningServer

    days = (arguments.from_day, arguments.to_day)
    if arguments.url is not None:
        return ServerSource(arguments.url, *days)
    running = RunningServer.find(arguments.data)
    return None if running is None else ServerSource(running.url, *days, token=running.token)


def _backup(arguments: argparse.Namespace) -> None:
    path = Path(arguments.file).absolute()
    copy_log(arguments.data, path)
    print(f"The log was copied to {path}.")


def log_of(data_dir: Path) -> Path:
    """The log file of a data folder; ``CoachsimError`` where there is none yet."""
    from coachsim.log import LOG_FILE

    log = data_dir / LOG_FILE
    if not log.exists():
        raise CoachsimError(
            f"There is no log in {data_dir}. Name another folder with --data, or start its server first."
        )
    return log


def copy_log(data_dir: Path, path: Path) -> None:
    """Copies the log of a data folder to the absolute ``path``: by the server that has it open, or here."""
    from coachsim.server.local import RunningServer

    server = RunningServer.find(data_dir)
    if server is not None:
        server.post("/api/backup", json={"path": str(path)})
    else:
        from coachsim.log.writer import LogWriter

        with LogWriter.open(log_of(data_dir)) as writer:
            writer.backup(path)


def _upgrade(arguments: argparse.Namespace) -> None:
    from coachsim.errors import LogOutdated
    from coachsim.log.file import open_for_reading
    from coachsim.log.upgrade import upgrade

    path: Path = arguments.file
    try:
        open_for_reading(path).close()
    except LogOutdated:
        kept = upgrade(path)
        print(f"{path} is of today's format now; the old log is {kept.name}.")
    else:
        print(f"{path} is of today's format already.")


# --- the summary ---


def summary_lines(log: MessageLog, from_day: str | None = None, to_day: str | None = None) -> list[str]:
    """A line for each day and one for all of them; rates stand with their counts."""
    found = log.sql(_SUMMARY, {"first": from_day, "last": to_day})
    rows = [_HEAD, *(_cells(row) for row in found.itertuples())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for day, *numbers in rows:
        padded = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([day.ljust(widths[0]), *padded]).rstrip())
    return lines


_HEAD = ("day", "messages", "sent", "notified", "read", "lost", "")
_SUMMARY = """
WITH wanted AS (
    SELECT day, cleared_at IS NULL AS open FROM days
    WHERE day BETWEEN coalesce($first::VARCHAR, '') AND coalesce($last::VARCHAR, '9999-12-31')
),
counted AS (
    SELECT day, count(DISTINCT message_id) AS messages, count(*) AS sent, count(notified_at) AS notified,
           count(read_at) AS read, count(lost_at) AS lost
    FROM deliveries GROUP BY day
)
SELECT CASE WHEN grouping(day) = 1 THEN 'all' ELSE day END AS day, bool_or(open) AS open,
       CAST(coalesce(sum(messages), 0) AS BIGINT) AS messages, CAST(coalesce(sum(sent), 0) AS BIGINT) AS sent,
       CAST(coalesce(sum(notified), 0) AS BIGINT) AS notified, CAST(coalesce(sum(read), 0) AS BIGINT) AS read,
       CAST(coalesce(sum(lost), 0) AS BIGINT) AS lost
FROM wanted LEFT JOIN counted USING (day)
GROUP BY GROUPING SETS ((day), ())
ORDER BY grouping(day), day
"""


def _cells(row: Any) -> tuple[str, ...]:
    rated = (f"{count:,} ({_percent(count, row.sent)})" for count in (row.notified, row.read, row.lost))
    note = "not over yet" if row.day != "all" and row.open else ""
    return (row.day, f"{row.messages:,}", f"{row.sent:,}", *rated, note)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def about_line(log: MessageLog, file: Path | None) -> str:
    """What wrote the log, how far it goes, where it is and, where that can be seen from here, its file's size."""
    (run,) = log.sql("SELECT * FROM run").itertuples()
    newest = log.newest()
    until = f"until {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "empty"
    size = f": {_size(file)}" if file is not None and file.is_file() else ""
    return f"{run.kind.capitalize()} log of coachsim {run.version}, {until}. {log.where}{size}"


def _size(file: Path) -> str:
    """The size of the log's file, with what DuckDB has not merged into it yet."""
    from coachsim.log.file import wal_of

    bytes_ = sum(path.stat().st_size for path in (file, wal_of(file)) if path.exists())
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_ >= size:
            return f"{bytes_ / size:.1f} {unit}"
    return f"{bytes_} bytes"
