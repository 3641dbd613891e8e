"""Ctrl-C in a command: a real signal to a real process, at a moment that is sure; exit code 130 and nothing said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coachsim import Scenario, simulate

# Whoever starts the tests in the background hands down that Ctrl+C is not heard.
BEGIN = """
import os, signal, sys, threading, time
from coachsim.cli import command, logs, main
from coachsim.log import MessageLog
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
WHILE_IT_PARSES = """
parser = command._parser
def interrupted():
    signal.raise_signal(signal.SIGINT)
    return parser()
command._parser = interrupted
"""
# A fifth of a second's work with no Python in it: DuckDB is at the query, and no longer only preparing it.
WHILE_DUCKDB_WORKS = """
logs._SUMMARY = (
    "SELECT sum(a.range * b.range) AS day FROM range(20000) a, range(20000) b"
    " WHERE $first::VARCHAR IS NULL AND $last::VARCHAR IS NULL"
)
def interrupt(main=threading.main_thread().ident):
    began = time.process_time()
    while time.process_time() < began + 0.2:
        if sys._current_frames()[main].f_code is not MessageLog.sql.__code__:
            began = time.process_time()
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
"""


@pytest.mark.parametrize("moment", [WHILE_IT_PARSES, WHILE_DUCKDB_WORKS], ids=["parsing", "duckdb"])
def test_ctrl_c_is_exit_code_130_without_a_word(tmp_path: Path, repository: Path, moment: str):
    log = tmp_path / "log.duckdb"
    simulate(Scenario.load("weekday"), seed=1, out=log).close()
    program = f"{BEGIN}{moment}sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, "log", "summary", "--data", str(log)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
