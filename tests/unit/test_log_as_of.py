"""A log looked back at is the log that was there then, row for row, also when its day has been closed since."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from coachsim.errors import InvalidInput
from coachsim.log import LogWriter, snapshot
from tests.unit.log_events import ANN, IN, NIGHT, PaperDay
from tests.unit.test_log_matches_floor import RandomFloor

TABLES = sorted({*snapshot.PARTS, "agents", "agent_versions"} - {"run"})  # the others are columns of these


def tables(writer: LogWriter, as_of: int | None = None) -> dict:
    """All tables: the rows, and what the files say of themselves."""
    found = {}
    for table in TABLES:
        written = io.BytesIO()
        assert snapshot.write_from(writer, written, table, None, None, None, as_of) == (as_of or writer.seq)
        read = pq.read_table(written)
        found[table] = (read.to_pylist(), read.schema.metadata[snapshot.METADATA])
    return found


def then_and_now(path, events, every: int) -> None:
    """Writes the events a few at a time, keeps all tables each time, and at the end looks back at each of them."""
    with LogWriter.open(path) as writer:
        then = {}
        for start in range(0, len(events), every):
            writer.append(events[start : start + every]).result(60)
            then[writer.seq] = tables(writer)
        for seq, found in then.items():
            now = tables(writer, seq)
            for key in found:
                assert now[key] == found[key], (seq, key)


def test_every_moment_of_a_day_worked_out_on_paper(tmp_path):
    story = PaperDay()
    story.night(0, deliveries=3, lost=2)
    story.send(NIGHT + 5, [(ANN, IN, True, True)])
    then_and_now(tmp_path / "log.duckdb", story.events, every=9)


def test_moments_of_a_random_floor(tmp_path):
    floor = RandomFloor(1)
    while len(floor.events) < 200:
        floor.step()
    then_and_now(tmp_path / "log.duckdb", floor.events, every=70)


def test_what_has_not_happened_yet_cannot_be_looked_at(tmp_path):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        writer.append(PaperDay().events).result(60)
        with pytest.raises(InvalidInput, match=f"no event {writer.seq + 1}: the log's newest is {writer.seq}"):
            snapshot.write_from(writer, io.BytesIO(), "messages", None, None, None, writer.seq + 1)
        with pytest.raises(InvalidInput, match="no event -1"):
            snapshot.write_from(writer, io.BytesIO(), "messages", None, None, None, -1)


def test_looking_back_is_for_one_answer_only(tmp_path):
    """The writer, and who reads after, see the log as it is."""
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        writer.append(PaperDay().events).result(60)
        assert len(tables(writer, 1)["agents"][0]) == 0
        assert len(tables(writer)["agents"][0]) == 3
