"""Somebody else signs people in: nginx itself, or oauth2-proxy behind nginx and Caddy, as docs/operations has it."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tornado.web import create_signed_value

from coachsim.server.site import cookie_secret
from tests.processes import descendants, environment_of
from tests.server.desks import KERNEL, PAGE
from tests.server.test_proxy_in_front import PROXIES, asks_its_kernel, certificate, comes_at_once, front
from tests.serving import Served, add_account, add_everybody, make_ticket, serve

__all__ = ["certificate"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SECRET = "0123456789abcdef-of-the-proxy"
SIGN_ON = ("--sign-on-header", "X-Remote-User", "--sign-out-path", "/oauth2/sign_out")


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """Those of a server that believes what the proxy with the secret says."""
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    return ("--behind-proxy", "--proxy-secret", str(tmp_path / "secret"), *SIGN_ON)


def including(folder: Path, sign_on: str):
    """Edits coachsim.conf as the documentation says: the include of the sign-on is in force."""
    (folder / "sign-on.conf").write_text(sign_on.replace("PUT-THE-SECRET-HERE", SECRET), encoding="utf-8")

    def edit(conf: str) -> str:
        conf, count = re.subn(r"# (include )/etc/nginx/coachsim-sign-on\.conf;", rf"\1{folder}/sign-on.conf;", conf)
        assert count == 1
        return conf

    return edit


class StandIn(BaseHTTPRequestHandler):
    """Answers as oauth2-proxy is documented to, with ``set_xauthrequest``: whose the cookie is, or 401."""

    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        self.asked.append({name.lower(): value for name, value in self.headers.items()})
        person = re.search(r"_oauth2_proxy=([^;]+)", self.headers.get("Cookie", ""))
        said = f"the sign-on: {self.path}".encode()
        checked = self.path.partition("?")[0] == "/oauth2/auth"
        self.send_response((202 if person else 401) if checked else 200)
        if checked and person and person[1] != "nameless":
            self.send_header("X-Auth-Request-User", "a-number-of-the-sign-on")
            self.send_header("X-Auth-Request-Email", person[1])
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def sign_on() -> Iterator[ThreadingHTTPServer]:
    """A server in the place of oauth2-proxy."""
    StandIn.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("kind", PROXIES)
def test_oauth2_proxy_signs_people_in(
    kind: str, repository: Path, tmp_path: Path, certificate: Path, options, sign_on: ThreadingHTTPServer
):
    data = tmp_path / "floor"
    add_everybody(data)
    add_account(data, "kim@example.org", "supervisor", teams=None)
    files = repository / "docs" / "operations"
    standing_in = f"127.0.0.1:{sign_on.server_port}"
    if kind == "nginx":
        edit = including(
            tmp_path, (files / "nginx-oauth2-proxy.conf").read_text().replace("127.0.0.1:4180", standing_in)
        )
        file = None
    else:
        file = "Caddyfile-oauth2-proxy"

        def edit(text: str) -> str:
            return text.replace("127.0.0.1:4180", standing_in).replace("PUT-THE-SECRET-HERE", SECRET)

    forged = {"X-Remote-User": "sup", "X-Coach-Proxy": SECRET, "X-Auth-Request-Email": "sup"}
    with (
        serve(data, *options) as served,
        front(kind, repository, tmp_path / "proxy", certificate, served, edit, file) as proxy,
    ):
        with proxy.client(cookies={"_oauth2_proxy": "kim@example.org"}) as kim:
            for headers in ({}, forged):
                assert kim.get("/api/me", headers=headers).json()["name"] == "kim@example.org"
            kim.headers["X-XSRFToken"] = kim.get("/").cookies["_xsrf"]
            out = kim.post("/logout")
            assert (out.status_code, out.headers["Location"]) == (303, "/oauth2/sign_out")
            assert kim.get("/oauth2/sign_out").text == "the sign-on: /oauth2/sign_out"
            with proxy.client(cookies={"_oauth2_proxy": "a1"}) as ann:
                ann.headers["X-XSRFToken"] = ann.get("/").cookies["_xsrf"]
                comes_at_once(kim, ann)
        with proxy.client() as nobody:
            for headers in ({}, forged):
                assert nobody.get("/api/me", headers=headers).status_code == 401
                led = nobody.get("/agent?seat=a017", headers=headers)
                assert (led.status_code, led.headers["Location"].removeprefix(proxy.url)) == (
                    302,
                    "/oauth2/sign_in?rd=/agent?seat=a017",
                )
            assert nobody.get("/oauth2/sign_in").text == "the sign-on: /oauth2/sign_in"
            # A token is the server's to judge, and what is written beside it counts for nothing.
            token = {"Authorization": f"Bearer {served.token('a2')}"}
            assert nobody.get("/api/me", headers=forged | token).json()["name"] == "a2"
            assert nobody.get("/api/me", headers=forged | {"Authorization": "Bearer mine"}).status_code == 401
        with proxy.client(cookies={"_oauth2_proxy": "stranger@example.org"}) as stranger:
            assert stranger.get("/api/me", headers=forged).status_code == 401
            told = stranger.get("/login")
            assert (told.status_code, "signed on as stranger@example.org" in told.text) == (403, True)
        with proxy.client(cookies={"_oauth2_proxy": "nameless"}) as nameless:
            for headers in ({}, forged):
                assert nameless.get("/api/me", headers=headers).status_code == 401
    secrets = [
        one for one in StandIn.asked if SECRET in one.values() and one["x-coach-proxy"] != forged["X-Coach-Proxy"]
    ]
    assert StandIn.asked and not secrets


def test_nginx_signs_people_in(repository: Path, tmp_path: Path, certificate: Path, options):
    data = tmp_path / "floor"
    add_everybody(data)
    (tmp_path / "people").write_text("sup:{PLAIN}of the sign-on\na1:{PLAIN}of the sign-on\n", encoding="utf-8")
    text = (repository / "docs" / "operations" / "nginx-sign-on.conf").read_text(encoding="utf-8")
    edit = including(tmp_path, text.replace("/etc/nginx/coachsim-people", str(tmp_path / "people")))
    with (
        serve(data, *options, desk=True) as served,
        front("nginx", repository, tmp_path / "proxy", certificate, served, edit) as proxy,
    ):
        with proxy.client(auth=("sup", "of the sign-on")) as sup:
            # What the browser writes is replaced by what nginx knows.
            answer = sup.get("/api/me", headers={"X-Remote-User": "a1", "X-Coach-Proxy": "mine"})
            assert answer.json()["name"] == "sup"
            sup.headers["X-XSRFToken"] = sup.get("/").cookies["_xsrf"]
            assert sup.post("/api/messages/preview", json={"audience": {"everyone": True}}).status_code == 200
            # The desk's page has a kernel that is this person's, whatever cookie is left from the time of passwords.
            served.wait_for("the desk is ready")
            sup.cookies.set("coachsim_session", signed_cookie(data, "a1"))
            page = sup.get(PAGE, timeout=120)
            assert page.status_code == 200
            kernel = KERNEL.search(page.content)[1].decode()
            basic = "Basic " + base64.b64encode(b"sup:of the sign-on").decode()
            asyncio.run(asks_its_kernel(proxy, kernel, sup, Authorization=basic))
            assert tickets_owner(served) == "sup"
        with proxy.client(auth=("a1", "of the sign-on")) as ann:
            assert ann.get(PAGE).status_code == 403
            assert ann.get(f"/desk/api/kernels/{kernel}").status_code in (403, 404)
        with proxy.client() as nobody:
            assert nobody.get("/api/me", headers={"X-Remote-User": "sup"}).status_code == 401
        # Past nginx, from the same machine, the header is nothing.
        assert served.get("/api/me", headers={"X-Remote-User": "sup"}).status_code == 401


def signed_cookie(data: Path, name: str) -> str:
    """A session cookie that this server has signed for somebody."""
    raw, _ = make_ticket(data, name)
    return create_signed_value(cookie_secret(data), "coachsim_session", raw).decode()


def tickets_owner(served: Served) -> str:
    """Whose ticket the one kernel has in its environment."""
    for pid in descendants(served.process.pid):
        if ticket := environment_of(pid).get("HTTP_X_COACH_TICKET"):
            return served.get("/api/me", headers={"X-Coach-Ticket": ticket}).json()["name"]
    raise AssertionError("there is no kernel")
