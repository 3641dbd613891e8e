"""What /metrics says, of a real server to which things happen."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from coachsim import __version__
from coachsim.log.file import FORMAT
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.server.test_sign_in import cli
from tests.serving import DEADLINE_S, Served


def measured(served: Served) -> dict[str, float]:
    """Every sample, by name and labels."""
    text = served.get("/metrics").text
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_say_what_happens(served: Served):
    before = measured(served)
    assert before["coachsim_backup_timestamp_seconds"] == 0
    assert before[f"coachsim_info,log_format={FORMAT},mode=live,version={__version__}"] == 1
    assert before["coachsim_log_bytes"] >= 12_288
    assert before["coachsim_disk_free_bytes"] > 0
    assert time.time() < before["coachsim_clear_down_timestamp_seconds"] <= time.time() + 25 * 3_600
    assert before["coachsim_events_waiting"] == 0
    assert before["coachsim_faults"] == 0
    assert not any(name.startswith(("coachsim_fault,", "coachsim_desk")) for name in before)
    assert {name: before[f"coachsim_sign_ins_total,outcome={name}"] for name in ("right", "wrong", "held")} == {
        "right": 0,
        "wrong": 0,
        "held": 0,
    }
    assert abs(before["process_start_time_seconds"] - time.time()) < 600
    assert before["process_open_fds"] > 3

    with served.browser("sup") as sup, served.browser() as guesser:
        for _ in range(6):
            guesser.post("/login", data={"username": "blue", "password": "a guess"})
        message = {"audience": {"everyone": True}, "body": "Hello", "request_id": "1"}
        assert sup.post("/api/messages", json=message).status_code == 201
    assert cli(served.data, "log", "backup", str(served.data / "copy.duckdb")).returncode == 0

    after = measured(served)
    assert after["coachsim_sign_ins_total,outcome=right"] == 1
    assert after["coachsim_sign_ins_total,outcome=wrong"] == 5
    assert after["coachsim_sign_ins_total,outcome=held"] == 1
    assert after["coachsim_messages_total"] - before["coachsim_messages_total"] == 1
    assert after["coachsim_deliveries_total"] - before["coachsim_deliveries_total"] == 4
    assert after["coachsim_event_seq"] > before["coachsim_event_seq"]
    assert abs(after["coachsim_backup_timestamp_seconds"] - time.time()) < 600


async def test_a_fault_has_a_name_for_as_long_as_it_lasts(data: Path):
    server = await Server.start(Options(data, port=0, desk=False))
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client:
            for sentence, there in (("The clock jumped.", True), (None, False)):
                server.site.host.report("clock", sentence)
                text = (await client.get("/metrics")).text
                assert ('coachsim_fault{kind="clock"} 1.0' in text) is there
                assert f"coachsim_faults {float(there)}" in text
    finally:
        await server.stop()


def test_every_metric_is_explained(served: Served, repository: Path):
    text = (repository / "docs" / "operations.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `((?:coachsim|process)_\w+)", text, re.MULTILINE))
    families = text_string_to_metric_families(served.get("/metrics").text)
    there = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if not family.name.endswith("_created")
    }
    assert there | {"coachsim_desk_up", "coachsim_desk_pages"} == explained
