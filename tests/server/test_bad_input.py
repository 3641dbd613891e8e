"""schemathesis asks a running server what api.yaml describes, rightly and wrongly, in every role, live and in practice.

Each answer has to be one that api.yaml promises; nothing is a 500; a refused request leaves the floor as it was
(``api_checks.py``). ``make test ARGS="tests/server/test_bad_input.py -s"`` prints what was asked. The environment
variable ``COACHSIM_EXAMPLES`` says how many requests are drawn for each operation beside those that are always made
(12), and ``COACHSIM_SEED`` which ones (1).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import tomli_w

from coachsim.server import schemas
from tests.server import api_checks
from tests.serving import Served, add_everybody, listening, next_frame, serve

API = Path(schemas.__file__).parent / "api.yaml"
EXAMPLES = int(os.environ.get("COACHSIM_EXAMPLES", "12"))
SEED = os.environ.get("COACHSIM_SEED", "1")
NO_LIMITS = "requests_per_second = 1_000_000\nstreams_per_account = 1_000_000\n"
DESK = ["agents", "preview", "messages", "send", "deliveries", "recent"]
TEMPLATES = ["templates", "new_template", "template", "change_template", "delete_template"]
SEAT = ["set_state", "inbox", "open_inbox", "acknowledge", "show_toasts", "events"]
#: Who asks what of a live floor; nothing = everything, also what is not for them. The admin changes the roster: last.
LIVE = {
    "trainer": [],
    "blue": ["me", "floor", *DESK, *TEMPLATES, "log_table", "events"],
    "a1": ["me", "floor", *SEAT],
    "phones": ["set_state"],
    "analyst": ["log_table", "events", "practice", "take_seat"],
    "admin": ["clear_down", "roster", "load_roster", "archive", "pseudonym", "backup", "health", "metrics"],
}
PRACTICE = {
    "desk": ["floor", "agents", "send", "practice", "take_seat", "give_back_seat"],
    "seat": SEAT,
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A live floor where nothing happens by itself, and that takes requests as fast as they come."""
    data = tmp_path_factory.mktemp("live")
    add_everybody(data)
    (data / "settings.toml").write_text("disconnect_after_s = 0\n" + NO_LIMITS, encoding="utf-8")
    with serve(data) as running:
        yield running


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Served]:
    """A practice floor whose time stands still."""
    scenario = repository / "data" / "scenarios" / "weekday.toml"
    data = tmp_path_factory.mktemp("practice")
    (data / "settings.toml").write_text(NO_LIMITS, encoding="utf-8")
    with serve(data, "--practice", str(scenario), "--speed", "0.1") as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", LIVE)
def test_a_live_floor(live: Served, name: str, tmp_path: Path):
    with live.client("sup") as sup, live.client("a1") as ann:
        ann.put("/api/agents/a1/state", json={"state": "logged_in"})
        draft = {"audience": {"everyone": True}, "body": "Hello", "request_id": name, "ack_required": True}
        message_id = sup.post("/api/messages", json=draft).json()["message_id"]
        known = {"agents": ["a1", "a2", "a3"], "messages": [message_id], "teams": ["Blue", "Red"]}
        with a_page(ann):
            ask_everything(live, name, LIVE[name], known, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", PRACTICE)
def test_a_practice_floor(practice: Served, part: str, tmp_path: Path):
    with practice.client("supervisor") as sup:
        assert sup.put("/api/practice", json={"paused": True}).json()["paused"]
        agents = sup.get("/api/agents").json()["agents"]
        agent_id = next(agent["agent_id"] for agent in agents if agent["state"] == "logged_in")
        draft = {"audience": {"agents": [agent_id]}, "body": "Hello", "request_id": part, "ack_required": True}
        message_id = sup.post("/api/messages", json=draft).json()["message_id"]
        known = {"agents": [agent_id], "messages": [message_id], "teams": sorted({agent["team"] for agent in agents})}
        with ExitStack() as stack:
            if part == "seat":
                assert sup.post(f"/api/seats/{agent_id}").status_code == 200
                stack.enter_context(a_page(sup, seat=agent_id))
            ask_everything(practice, "supervisor", PRACTICE[part], known, tmp_path)


@contextmanager
def a_page(client: httpx.Client, **parameters: str) -> Iterator[None]:
    """An agent's page that stays open: others that come and go are then no events, and its seat is kept."""
    with listening(client, params=parameters) as frames:
        next_frame(frames, "heartbeat")
        yield
        assert frames  # it was held until here: a stream that nobody holds is closed


def ask_everything(served: Served, name: str, operations: list[str], known: dict[str, list[Any]], folder: Path) -> None:
    """Lets schemathesis ask as ``name``; ``known`` are ids and groups that there are, so that not all is unknown."""
    config, report = folder / "schemathesis.toml", folder / "report.json"
    authorization = f"Bearer {served.token(name)}"
    config.write_text(tomli_w.dumps(_config(authorization, operations, known)), encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(API)]
    command += ["--url", served.url, "--seed", SEED, "--no-color", "--report-json-path", str(report)]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SCHEMATHESIS_HOOKS": api_checks.__name__,
            api_checks.AUTHORIZATION: authorization,
        },
    )
    print(f"\n--- as {name} ---\n{run.stdout[run.stdout.find('=== SUMMARY') :] if not run.returncode else ''}")
    assert run.returncode == 0, run.stdout + run.stderr
    said = json.loads(report.read_text(encoding="utf-8"))
    assert said["complete"] and said["operations"]["tested"] == (len(operations) or said["operations"]["total"])
    assert said["test_cases"]["generated"] > EXAMPLES
    served.said += (served.data / "said.txt").read_text(encoding="utf-8")
    assert "Traceback" not in served.said


def _config(authorization: str, operations: list[str], known: dict[str, list[Any]]) -> dict[str, Any]:
    agents, teams, messages = ({"dictionary": key, "probability": 0.7} for key in ("agents", "teams", "messages"))
    templates = {"dictionary": "templates", "probability": 0.7}
    return {
        "headers": {"Authorization": authorization},
        "continue-on-failure": True,
        "max-stream-events": 1,
        "request-timeout": 60,
        "warnings": False,
        "suppress-health-check": ["all"],
        "generation": {"max-examples": EXAMPLES, "no-shrink": True, "database": "none"},
        "phases": {
            "examples": {"enabled": False},
            "coverage": {"enabled": bool(operations)},  # without operations of their own, all are refused alike
            "stateful": {"enabled": bool(operations), "generation": {"max-examples": max(1, EXAMPLES // 2)}},
        },
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "422"]}},
        "dictionaries": {key: {"values": values} for key, values in (known | {"templates": [1, 2]}).items()},
        "parameters": {
            "path.agent_id": agents,
            "query.seat": agents,
            "query.team": teams,
            "path.message_id": messages,
            "path.template_id": templates,
            "body.version": templates,
            "body.message_id": messages,
            "body.message_ids[*]": messages,
            "body.audience.agents[*]": agents,
            "body.audience.filter.team[*]": teams,
        },
        "operations": [{"exclude-operation-id": operations, "enabled": False}] if operations else [],
    }
