"""The log: what happened on a floor, in one DuckDB file. ``open_log`` reads one; ``LogWriter`` owns a live one.

The tables are in ``schema.sql``. How a file is made and checked is in ``file``, how events become rows in ``records``,
how they are written in ``writer``, what a floor reads back in ``past``; the other modules each do one thing to a log:
fetch it over HTTP, keep it as Parquet, bring it up to date, take old days or a name out of it.
"""

from coachsim.log.file import Run
from coachsim.log.message_log import LOG_FILE, MessageLog, open_log
from coachsim.log.past import Restored
from coachsim.log.writer import LogWriter

__all__ = ["LOG_FILE", "LogWriter", "MessageLog", "Restored", "Run", "open_log"]
