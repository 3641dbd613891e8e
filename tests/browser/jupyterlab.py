"""JupyterLab with a notebook of one cell that shows a page: nothing in it may come from another host."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.walking import until
from tests.serving import DEADLINE_S, port_to_keep


def notebook(code: str) -> str:
    """A notebook of one cell."""
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


@pytest_asyncio.fixture(loop_scope="session")
async def lab(tmp_path):
    """JupyterLab on a folder of the test's own, with nobody's settings; its address."""
    port = port_to_keep()
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
            await until(lambda: _answers(url), "JupyterLab answers", DEADLINE_S)
            yield url
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, DEADLINE_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api?token=of-this-test", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@asynccontextmanager
async def shown_in(lab: str, folder: Path, browser: Browser, code: str) -> AsyncIterator[Page]:
    """JupyterLab's window, where ``code`` was run in a notebook in ``folder``. Nobody else may have been asked."""
    (folder / "one-cell.ipynb").write_text(notebook(code), encoding="utf-8")
    context = await browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB")
    context.set_default_timeout(60_000)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = await context.new_page()
    await page.goto(f"{lab}/lab/tree/one-cell.ipynb?token=of-this-test")
    await expect(page.get_by_text("Python 3 (ipykernel) | Idle").or_(page.get_by_title("Kernel Idle"))).to_be_attached(
        timeout=120_000
    )
    await page.locator(".jp-CodeCell .cm-content").click()
    await page.keyboard.press("Shift+Enter")
    yield page
    assert not [url for url in asked if not url.startswith((lab, "data:", "blob:"))]
    await context.close()
