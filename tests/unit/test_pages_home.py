"""A page hears its browser in whatever thread the kernel has for that, and answers in the loop that it lives in."""

from __future__ import annotations

import asyncio
import threading

import pytest
from traitlets import Unicode

from coachsim.pages.agent_grid import AgentGrid
from coachsim.pages.page import Page


class Ear(Page):
    """A page with one control."""

    template = Unicode("<template><div></div></template>").tag(sync=True)

    def vue_hear(self, data: dict[str, object]) -> None:
        self.heard = (data, threading.get_ident(), asyncio.get_running_loop())


async def in_a_thread_with_a_loop(say) -> None:
    """As JupyterLab has the kernel do with what a widget's browser says."""

    async def saying() -> None:
        say()

    await asyncio.to_thread(asyncio.run, saying())


@pytest.mark.asyncio
async def test_what_another_thread_hears_is_answered_in_the_pages_own_loop():
    page = Ear()
    await in_a_thread_with_a_loop(lambda: page._handle_event(page, {"event": "hear", "data": {"n": 1}}, []))
    await asyncio.sleep(0)
    assert page.heard == ({"n": 1}, threading.get_ident(), asyncio.get_running_loop())


@pytest.mark.asyncio
async def test_what_the_list_of_agents_hears_is_too():
    asked = []
    grid = AgentGrid(lambda: asked.append(threading.get_ident()) or [])
    await in_a_thread_with_a_loop(lambda: grid._handle_custom_msg({"event": "ready"}, []))
    await asyncio.sleep(0)
    assert asked == [threading.get_ident()]


@pytest.mark.asyncio
async def test_what_the_own_loop_hears_is_answered_at_once():
    page = Ear()
    page._handle_event(page, {"event": "hear", "data": {"n": 2}}, [])
    assert page.heard[0] == {"n": 2}


def test_a_page_made_where_nothing_runs_lives_where_it_first_hears():
    page = Ear()
    page._handle_event(page, {"event": "nothing of ours"}, [])

    async def hears() -> asyncio.AbstractEventLoop:
        page._handle_event(page, {"event": "hear", "data": {}}, [])
        return asyncio.get_running_loop()

    assert asyncio.run(hears()) is page.heard[2]
