"""One table of a log as a file for other programs: Parquet as it is, or CSV.

In CSV times are ISO 8601 in UTC with ``Z``, several values in one cell are separated by ``;`` as in a roster, and what
has not happened is empty.
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coachsim.errors import InvalidInput
from coachsim.log import snapshot
from coachsim.log.file import discard, put_in_place

if TYPE_CHECKING:
    import pyarrow as pa

    from coachsim.log import MessageLog

ENDINGS = (".csv", ".parquet")


def export(log: MessageLog, table: str, out: Path, from_day: str | None = None, to_day: str | None = None) -> int:
    """Writes one of the log's stable tables to ``out``, CSV or Parquet by its ending; returns the number of rows.

    ``from_day`` and ``to_day`` are labels, both included; None is no bound. Raises ``InvalidInput``.
    """
    check(out)
    with tempfile.TemporaryDirectory(prefix="coachsim-") as folder, log.cursor() as cursor:
        parquet = Path(folder) / "table.parquet"
        parquet.write_bytes(snapshot.snapshot(cursor, table, from_day, to_day, None))
        return place(parquet, out)


def place(parquet: Path, out: Path) -> int:
    """Gives ``out``, a CSV or Parquet file by its ending, what the Parquet file holds; returns the number of rows.

    The file gets its name when it is complete, and none is overwritten (``InvalidInput``). ``parquet`` is kept.
    """
    import pyarrow.parquet as pq

    check(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        with pq.ParquetFile(parquet) as read, unfinished.open("xb") as file:
            if out.suffix == ".csv":
                _write_csv(read, file)
            else:
                with pq.ParquetWriter(file, read.schema_arrow, compression="zstd") as writer:
                    for batch in read.iter_batches():
                        writer.write_batch(batch)
            rows = int(read.metadata.num_rows)
        if not put_in_place(unfinished, out):
            raise _taken(out)
    except OSError as error:
        error.filename = str(out)  # what was asked for, not the unfinished file or none
        raise
    finally:
        discard(unfinished)
    return rows


def check(out: Path) -> None:
    """Raises ``InvalidInput`` for a name that cannot be written to, before any work is done for it."""
    if out.suffix not in ENDINGS:
        raise InvalidInput(f"A table is written to a .parquet or .csv file, not to {out.name}.", field="file")
    if out.exists():
        raise _taken(out)


def _write_csv(read: Any, file: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import csv

    schema = pa.schema([(field.name, _type_in_csv(field.type)) for field in read.schema_arrow])
    with csv.CSVWriter(file, schema, write_options=csv.WriteOptions(quoting_style="needed")) as writer:
        for batch in read.iter_batches():
            columns = [_as_text(column) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _type_in_csv(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.string() if pa.types.is_timestamp(kind) or pa.types.is_list(kind) else kind


def _as_text(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_list(column.type):
        return pc.binary_join(column, ";")
    return column


def _taken(out: Path) -> InvalidInput:
    return InvalidInput(f"{out} exists already. Choose another name, or remove it first.", field="file")
