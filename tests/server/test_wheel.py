"""The wheel alone, in an environment of its own and an empty folder: the command line, a practice floor, its pages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.installing import build, install
from tests.server.desks import KERNEL
from tests.serving import serve, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
Run = Callable[..., str]


@pytest.fixture(scope="module")
def python(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(repository, folder / "built")
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return install(wheel, folder / ".venv", project["dependencies"])


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def said_by(folder: Path, *command: Path | str) -> str:
    """What a command prints that is run in a folder."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def there(browser: httpx.Client, address: str) -> httpx.Response | None:
    """The answer, unless it is that the desk is still starting."""
    answer = browser.get(address, follow_redirects=True, timeout=120)
    return None if answer.status_code == 503 else answer


def test_the_source_tree_is_not_there(python: Path, empty: Path, repository: Path) -> None:
    script = "import coachsim, json, sys; print(json.dumps([coachsim.__file__, *sys.path]))"
    file, *path = json.loads(said_by(empty, python, "-c", script))
    assert Path(file).is_relative_to(python.parents[1])
    assert str(repository) not in path
    with pytest.raises(AssertionError, match="No module named 'pytest'"):
        said_by(empty, python, "-c", "import pytest")


def test_scenarios_are_played_and_compared_by_name(python: Path, empty: Path) -> None:
    program = python.with_name("coachsim")
    said = said_by(empty, program, "simulate", "night_shift", "--seed", "1", "--out", "night.duckdb")
    assert said.startswith("Simulated a day into night.duckdb")
    said = said_by(empty, program, "compare", "weekday", "monday_absences", "--replications", "3", "--out", "both.csv")
    assert "3 days of each scenario" in said
    assert sorted(os.listdir(empty)) == ["both.csv", "night.duckdb"]
    said = said_by(empty, program, "log", "summary", "--data", "night.duckdb")
    assert "2026" in said


def test_a_practice_floor_serves_every_page(python: Path, empty: Path) -> None:
    data = empty / "data" / "practice"
    program = [str(python.with_name("coachsim"))]
    with serve(data, "--practice", "weekday", desk=True, python=python, program=program, folder=empty) as served:
        password = served.wait_for(r"(?m)^ +supervisor +(\S+)")[1]
        with served.browser("supervisor", password) as browser:
            agents = browser.get("/api/agents").raise_for_status().json()["agents"]
            assert len(agents) == 250
            seat = next(agent["agent_id"] for agent in agents if agent["state"] == "logged_in")
            assert browser.post(f"/api/seats/{seat}").status_code == 200
            page = browser.get(f"/agent?seat={seat}").raise_for_status().text
            files = re.findall(r'(?:src|href)="(/[^"?]+\.(?:js|css|svg))', page)
            assert {Path(file).suffix for file in files} == {".js", ".css", ".svg"}
            assert all(browser.get(file).status_code == 200 for file in files)
            for name in ("coaching", "message_log", "what_if"):
                answer = until(partial(there, browser, f"/{name}"), "the desk is ready", 120)
                assert answer.status_code == 200, answer.text[:500]
                assert answer.url.path.endswith(f"/{name}.ipynb")
                kernel = KERNEL.search(answer.content)
                assert kernel is not None
                assert "application/vnd.jupyter.widget-view+json" in answer.text
                assert browser.post(f"/desk/voila/api/shutdown/{kernel[1].decode()}").status_code == 204
