"""The same coaching page in JupyterLab: on a server through an API token, and on a floor in the notebook itself."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from coachsim import roster
from tests.browser.walking import card, is_live, tell, until
from tests.serving import PEOPLE, add_account, serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]
ANN = PEOPLE[0]
ON_A_SERVER = """
from coachsim import CoachingPage
from coachsim.remote import RemoteClient

CoachingPage(RemoteClient({url!r}, token={token!r}))
"""
IN_THE_KERNEL = """
from pathlib import Path

from coachsim import CoachingPage, roster
from coachsim.client import LocalClient
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.settings import Settings

host = await FloorHost.open(Path("floor"), Settings(time_zone="Etc/UTC"))
await host.do(Floor.set_agents, roster.load("agents.csv"), actor="me")
CoachingPage(LocalClient(host, actor="me", scope=None, roles=["supervisor"]))
"""


def notebook(code: str) -> str:
    """A notebook of one cell."""
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


@pytest_asyncio.fixture(loop_scope="session")
async def lab(tmp_path):
    """JupyterLab on a folder of the test's own, with nobody's settings; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mine = {"HOME": str(tmp_path / "home"), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    mine |= {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "IPYTHONDIR": str(tmp_path / "ipython")}
    options = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--IdentityProvider.token=of-this-test"]
    options += [f"--ServerApp.root_dir={tmp_path}", "--LabApp.news_url=None", "--ServerApp.port_retries=0"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (tmp_path / "lab.txt").open("w") as said:
        command = [sys.executable, "-m", "jupyterlab", *options]
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=tmp_path, env=os.environ | mine)
        try:
            url = f"http://127.0.0.1:{port}"
            await until(lambda: _answers(url), "JupyterLab answers", seconds=60)
            yield url
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api?token=of-this-test", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(params=["on a server", "in the kernel"])
def code(request, tmp_path):
    """The code of a cell that shows the page, on a floor of four agents."""
    if request.param == "in the kernel":
        (tmp_path / "agents.csv").write_text(roster.write(PEOPLE), encoding="utf-8")
        yield IN_THE_KERNEL
        return
    with serve(tmp_path / "data") as served:
        add_account(tmp_path / "data", "sup", "supervisor", teams=None)
        yield ON_A_SERVER.format(url=served.url, token=served.token("sup"))


async def test_an_agent_is_chosen_and_told_from_a_notebook(code, lab, tmp_path, browser):
    (tmp_path / "coaching.ipynb").write_text(notebook(code), encoding="utf-8")
    context = await browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB")
    context.set_default_timeout(30_000)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = await context.new_page()
    await page.goto(f"{lab}/lab/tree/coaching.ipynb?token=of-this-test")
    await expect(page.get_by_text("Python 3 (ipykernel) | Idle").or_(page.get_by_title("Kernel Idle"))).to_be_attached(
        timeout=60_000
    )
    await page.locator(".jp-CodeCell .cm-content").click()
    await page.keyboard.press("Shift+Enter")
    await is_live(page)
    await expect(page.get_by_text("4 of 4 agents in the list")).to_be_visible()
    await tell(page, ANN, "Told from a notebook.")
    await expect(card(page, "Told from a notebook.")).to_contain_text(
        "0 of 1 read · 0 notified, not read · 1 not yet notified"
    )
    await expect(page.get_by_role("region", name="Today")).to_contain_text("1 message")
    assert not [url for url in asked if not url.startswith((lab, "data:", "blob:"))]
    await context.close()
