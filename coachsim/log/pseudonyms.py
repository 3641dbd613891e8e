"""Pseudonyms: a former agent's id and name are replaced by made-up ones in a log and its archive, for good.

The made-up id is drawn at random and takes the old one's place in every row, so all that is counted stays the same, and
nothing that is kept leads back. What people wrote is left as it is: the text of messages, and free text in the audit.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from coachsim.errors import LogDamaged
from coachsim.log.archive import TABLES, Archive, closed_days, write_parquet
from coachsim.log.file import quoted, sync_folder
from coachsim.log.records import to_json

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ACTION = "pseudonym"
"""What the audit calls it; its subject is the made-up id."""
JOURNAL = "pseudonym.json"
"""The file in a data folder that is there while this is being done, so that a crash does not leave it half done."""

_Json = Any


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """Who becomes whom. ``accounts`` are the names under which the agent acted."""

    agent_id: str
    new_id: str
    new_name: str
    accounts: tuple[str, ...] = ()

    @classmethod
    def draw(cls, agent_id: str, accounts: tuple[str, ...] = ()) -> Pseudonym:
        """A new one; nothing in it follows from the old id."""
        number = secrets.token_hex(4)
        return cls(agent_id, f"former-{number}", f"Former agent {number}", accounts)

    # --- the journal ---

    def note(self, data_dir: Path) -> None:
        """Puts on the disk what is going to be done."""
        path = data_dir / JOURNAL
        unfinished = path.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(data_dir)

    @classmethod
    def noted(cls, data_dir: Path) -> Pseudonym | None:
        """What a crash may have left half done; None if nothing. Raises ``LogDamaged`` for what is no journal."""
        path = data_dir / JOURNAL
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            return cls(said["agent_id"], said["new_id"], said["new_name"], tuple(said["accounts"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise LogDamaged(
                f"The file {path} cannot be understood. Move it away, and ask for the pseudonym again."
            ) from error

    @staticmethod
    def done(data_dir: Path) -> None:
        """Forgets who became whom."""
        (data_dir / JOURNAL).unlink(missing_ok=True)


def is_on_record(cursor: DuckDBPyConnection, pseudonym: Pseudonym) -> bool:
    """Whether the audit says that this was to be done."""
    row = cursor.execute(
        "SELECT count(*) FROM all_audit WHERE action = ? AND subject = ?", [ACTION, pseudonym.new_id]
    ).fetchone()
    return row is not None and row[0] > 0


def is_in_open_day(cursor: DuckDBPyConnection, agent_id: str) -> bool:
    """Whether something happened to the agent in the day that is not closed yet."""
    row = cursor.execute(
        "SELECT count(*) FROM open_events WHERE agent_id = $1 OR list_contains(agent_ids, $1)", [agent_id]
    ).fetchone()
    return row is not None and row[0] > 0


# --- the log ---


def rename(cursor: DuckDBPyConnection, pseudonym: Pseudonym) -> None:
    """Does it in the log, in one transaction; does nothing where it has been done. Events can be appended meanwhile."""
    cursor.execute("BEGIN")
    try:
        _events(cursor, pseudonym)
        _tables(cursor, pseudonym)
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
        raise


def _events(cursor: DuckDBPyConnection, one: Pseudonym) -> None:
    _texts(cursor, one, "events", "payload", "kind IN ('sent', 'scheduled')", _in_audience)
    _texts(cursor, one, "closed_schedule_changes", "payload", "kind = 'scheduled'", _in_audience)
    _texts(cursor, one, "events", "payload", "kind = 'agent_changed'", _in_agent)
    _texts(cursor, one, "events", "payload", "kind = 'audited'", _anywhere)
    cursor.execute(
        """
        UPDATE events SET agent_ids = list_transform(agent_ids, lambda each: if(each = $old, $new, each))
        WHERE list_contains(agent_ids, $old)
        """,
        {"old": one.agent_id, "new": one.new_id},
    )
    _ids(cursor, one, "events", own_acts=True)


def _tables(cursor: DuckDBPyConnection, one: Pseudonym) -> None:
    """The tables of the closed days, in a log or loaded from an archive."""
    _texts(cursor, one, "closed_messages", "audience", "true", _in_agents)
    _texts(cursor, one, "closed_audit", "detail", "kind IN ('sent', 'scheduled')", _in_audience)
    _texts(cursor, one, "closed_audit", "detail", "kind = 'agent_changed'", _in_agent)
    _texts(cursor, one, "closed_audit", "detail", "kind = 'audited'", _anywhere)
    cursor.execute(
        "UPDATE closed_audit SET subject = $new WHERE subject = $old AND kind IN ('agent_changed', 'audited')",
        {"old": one.agent_id, "new": one.new_id},
    )
    _ids(cursor, one, "closed_deliveries")
    _ids(cursor, one, "closed_state_changes", own_acts=True)
    _ids(cursor, one, "closed_agent_changes", named=True)


def _ids(
    cursor: DuckDBPyConnection, one: Pseudonym, table: str, *, named: bool = False, own_acts: bool = False
) -> None:
    changes, values = ["agent_id = $new"], {"old": one.agent_id, "new": one.new_id}
    if named:
        changes.append("name = $name")
        values["name"] = one.new_name
    if own_acts:  # what others did to the agent stays theirs
        names = ", ".join(quoted(name) for name in (one.agent_id, *one.accounts))
        changes.append(f"actor = if(actor IN ({names}), $new, actor)")
    cursor.execute(f"UPDATE {table} SET {', '.join(changes)} WHERE agent_id = $old", values)


def _texts(
    cursor: DuckDBPyConnection,
    one: Pseudonym,
    table: str,
    column: str,
    which: str,
    change: Callable[[_Json, Pseudonym], _Json],
) -> None:
    """Changes JSON texts that name the agent; an id has no character that JSON would write otherwise."""
    rows = cursor.execute(
        f"SELECT seq, {column} FROM {table} WHERE {which} AND contains({column}, ?)", [f'"{one.agent_id}"']
    ).fetchall()
    changed = [(seq, new) for seq, text in rows if (new := to_json(change(json.loads(text), one))) != text]
    if changed:
        seqs, texts = zip(*changed, strict=True)
        cursor.execute(
            f"""
            UPDATE {table} SET {column} = changed.text
            FROM (SELECT unnest($seqs::BIGINT[]) AS seq, unnest($texts::VARCHAR[]) AS text) AS changed
            WHERE {table}.seq = changed.seq
            """,
            {"seqs": list(seqs), "texts": list(texts)},
        )


def _in_agents(audience: _Json, one: Pseudonym) -> _Json:
    if "agents" in audience:
        audience["agents"] = _anywhere(audience["agents"], one)
    return audience


def _in_audience(sent: _Json, one: Pseudonym) -> _Json:
    return sent | {"audience": _in_agents(sent["audience"], one)}


def _in_agent(changed: _Json, one: Pseudonym) -> _Json:
    if changed["agent"]["agent_id"] == one.agent_id:
        changed["agent"] |= {"agent_id": one.new_id, "name": one.new_name}
    return changed


def _anywhere(value: _Json, one: Pseudonym) -> _Json:
    if isinstance(value, dict):
        return {_anywhere(key, one): _anywhere(each, one) for key, each in value.items()}
    if isinstance(value, list):
        return [_anywhere(each, one) for each in value]
    return one.new_id if value == one.agent_id else value


# --- the archive ---


def rename_in_archive(cursor: DuckDBPyConnection, archive: Archive, one: Pseudonym) -> None:
    """Does it in the archive: the days that the log has are written again, the others changed one by one."""
    archive.tidy()
    in_log = {day.day: day for day in closed_days(cursor)}
    for day in archive.days():
        if day in in_log:
            archive.write(cursor, in_log[day])
        else:
            archive.put(day, _changer(archive, day, one))


def _changer(archive: Archive, day: str, one: Pseudonym) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        with duckdb.connect() as memory:
            for table in TABLES:
                source = quoted(archive.file(day, table))
                memory.execute(f"CREATE TABLE closed_{table} AS FROM read_parquet({source}, hive_partitioning = false)")
            _tables(memory, one)
            _ids(memory, one, "closed_agents", named=True)
            for table in TABLES:
                rows = memory.sql(f"FROM closed_{table}").to_arrow_reader(100_000)
                write_parquet(folder / f"{table}.parquet", rows.schema, rows)

    return build
