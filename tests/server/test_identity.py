"""A site's own sign-on in place of passwords, and a proxy with TLS in front."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest
from jupyter_server.auth.identity import IdentityProvider, User
from tornado import web

from coachsim.errors import SettingsError
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.serving import DEADLINE_S, PASSWORD, add_everybody, reset, serve


class HeaderProvider(IdentityProvider):
    """Believes a header, as behind a proxy that signs people in."""

    def get_user(self, handler: web.RequestHandler) -> User | None:
        name = handler.request.headers.get("X-Remote-User")
        return User(username=name) if name else None


async def test_a_sites_own_provider_says_who_it_is_and_the_account_what_they_may(tmp_path: Path):
    add_everybody(tmp_path)
    here = f"{__name__}:HeaderProvider"
    server = await Server.start(Options(tmp_path, port=0, desk=False, identity_provider=here))
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client:
            for name, status in (("sup", 200), ("a1", 403), ("stranger", 401)):
                answer = await client.get("/api/agents", headers={"X-Remote-User": name})
                assert answer.status_code == status
            # Such a browser sends no proof of its own either: XSRF holds for it too.
            answer = await client.post(
                "/api/messages/preview", json={"audience": {"everyone": True}}, headers={"X-Remote-User": "sup"}
            )
            assert answer.status_code == 403
            server.site.accounts.change("sup", actor="test", disabled=True)
            assert (await client.get("/api/me", headers={"X-Remote-User": "sup"})).status_code == 401
    finally:
        await server.stop()


class SlowProvider(HeaderProvider):
    """Has its answer only when whoever is asked about has gone."""

    answered = 0

    async def get_user(self, handler: web.RequestHandler) -> User | None:  # type: ignore[override]
        while not handler.request.connection.stream.closed():
            await asyncio.sleep(0)
        SlowProvider.answered += 1
        return super().get_user(handler)


async def test_who_has_gone_before_it_is_said_who_they_are_has_no_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    add_everybody(tmp_path)
    here = f"{__name__}:SlowProvider"
    server = await Server.start(Options(tmp_path, port=0, desk=False, identity_provider=here))
    try:
        line = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
        line.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Remote-User: a1\r\n\r\n")
        reset(line)
        async with asyncio.timeout(DEADLINE_S):
            while not SlowProvider.answered:
                await asyncio.sleep(0.01)
        await server.site.host.settled()
        assert (len(server.site.streams), server.site.streams.connected_agents) == (0, 0)
    finally:
        await server.stop()
    assert not caplog.records


@pytest.mark.parametrize("name", ["nowhere:Provider", "json:loads", "json", ":"])
async def test_a_provider_that_is_none_stops_the_start(tmp_path: Path, name: str):
    with pytest.raises(SettingsError):
        await Server.start(Options(tmp_path, port=0, desk=False, identity_provider=name))


def test_behind_tls_the_session_is_for_tls_only_and_nobody_is_near(data: Path):
    with serve(data, "--behind-proxy") as served:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "desk.example.org"}
        with httpx.Client(base_url=served.url, timeout=DEADLINE_S, headers=headers) as client:
            xsrf = client.get("/login").cookies["_xsrf"]
            form = {"username": "sup", "password": PASSWORD, "_xsrf": xsrf}
            answer = client.post("/login", data=form, headers={"Cookie": f"_xsrf={xsrf}"})
            assert answer.status_code == 303
            assert all("Secure" in cookie for cookie in answer.headers.get_list("Set-Cookie"))
            assert client.get("/healthz").status_code == 401
