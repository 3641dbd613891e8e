"""The desk walked as an attacker would: each of its addresses for each role, kernels of others, odd paths and names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from tornado.web import decode_signed_value

from coachsim.server.access import DESK, DeskAddress
from tests.processes import command_of, environment_of, kernels_of
from tests.server.desks import PAGE, Door, open_door
from tests.serving import DEADLINE_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STRANGE_KERNEL = "0" * 8 + "-0000-0000-0000-" + "0" * 12
ROLE_OF = {"sup": "supervisor", "analyst": "analyst", "trainer": "trainer", "phones": "telephony", "admin": "admin",
           "a1": "agent"}  # fmt: skip
FILES = {"voila/static/": "voila.js", "voila/templates/": "voila.js", "voila/labextensions/": "anywidget/package.json"}
EXPECTED = {
    "voila/render/coaching.ipynb": "supervisor",
    "voila/render/message_log.ipynb": "supervisor analyst",
    "voila/render/what_if.ipynb": "supervisor analyst trainer",
    "voila/static/{file}": "supervisor analyst trainer",
    "voila/templates/{template}/static/{file}": "supervisor analyst trainer",
    "voila/labextensions/{file}": "supervisor analyst trainer",
    "voila/api/themes/{file}": "supervisor analyst trainer",
    "api/kernels/{kernel}": "supervisor analyst trainer",
    "api/kernels/{kernel}/channels": "supervisor analyst trainer",
    "voila/api/shutdown/{kernel}": "supervisor analyst trainer",
}


def address(line: DeskAddress, kernel: str = STRANGE_KERNEL) -> str:
    file = next((file for start, file in FILES.items() if line.path.startswith(start)), "x.css")
    return "/desk/" + line.path.format(kernel=kernel, template="base", file=file)


async def raw(door: Door, client: httpx.AsyncClient, method: str, path: str, *headers: str) -> int:
    """The status of a request whose path no library has put in order."""
    host = door.server.url.removeprefix("http://")
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Cookie: {cookie}", "Content-Length: 0", *headers]
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        writer.write("\r\n".join([*head, "X-XSRFToken: of-this-browser", "Connection: close", "", ""]).encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        await writer.wait_closed()


def test_the_table_of_the_desk_is_the_one_that_was_agreed():
    assert {line.path for line in DESK} == set(EXPECTED)


async def test_each_role_gets_through_the_door_where_it_should_and_nowhere_else(door: Door):
    for name, role in ROLE_OF.items():
        async with door.browser(name) as client:
            for line in DESK:
                for method in line.methods.split():
                    async with client.stream(method, address(line)) as answer:
                        said = f"{name}: {method} {line.path} → {answer.status_code}"
                        if role in EXPECTED[line.path].split():
                            assert answer.status_code not in (401, 403, 500, 502), said
                        else:
                            assert answer.status_code == 403, said


async def test_nobody_gets_through_without_a_session_whoever_they_say_they_are(door: Door):
    async with door.browser("sup") as sup:
        kernel, _ = await door.render(sup)
        session = sup.cookies["coachsim_session"]
    site = door.server.site
    ticket = site.sessions.ticket(site.sessions.begin(site.accounts.known("sup")))
    token = site.sessions.new_token(site.accounts.known("sup"), actor="test")
    flipped = session[:-1] + ("0" if session[-1] != "0" else "1")
    shown: tuple[dict[str, str], ...] = (
        {},
        {"X-Coach-User": "sup", "X-Coach-Secret": "", "X-Remote-User": "sup", "Remote-User": "sup"},
        # Neither what a kernel nor what a script shows opens a page: these are for the API.
        {"X-Coach-Ticket": ticket, "X-Coach-User": "sup"},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Bearer {site.local_token}"},
        {"Authorization": f"token {door.server.desk.secret}", "X-Coach-Secret": door.server.desk.secret},
        {"Cookie": f"coachsim_session={flipped}"},
        {"Cookie": "coachsim_session=sup"},
        {"Cookie": f"coachsim_session={session}", "Authorization": "Bearer wrong"},
    )
    async with httpx.AsyncClient(base_url=door.server.url, timeout=DEADLINE_S) as client:
        for headers in shown:
            for line in DESK:
                for method in line.methods.split():
                    answer = await client.request(method, address(line, kernel), headers=headers)
                    status = 302 if method == "GET" else 401
                    assert answer.status_code == status, f"{method} {line.path} with {headers}"


async def test_the_kernel_of_another_is_as_if_it_were_not_there(door: Door):
    async with door.browser("sup") as sup, door.browser("blue") as blue:
        kernel, _ = await door.render(sup)
        site = door.server.site
        raw_session = decode_signed_value(site.cookie_secret, "coachsim_session", sup.cookies["coachsim_session"])
        owners_ticket = site.sessions.ticket((raw_session or b"").decode())
        assert site.sessions.by_ticket(owners_ticket).name == "sup"
        forged = {"X-Coach-User": "sup", "X-Forwarded-User": "sup", "X_Coach_Ticket": owners_ticket}
        for line in (line for line in DESK if "{kernel}" in line.path):
            for method in line.methods.split():
                answers = [
                    await blue.request(method, address(line, which), headers=forged)
                    for which in (kernel, STRANGE_KERNEL)
                ]
                assert len({answer.status_code for answer in answers}) == 1, line.path
                assert kernel not in answers[0].text
        assert (await sup.get(f"/desk/api/kernels/{kernel}")).json()["id"] == kernel


async def test_the_kernel_is_told_who_visits_by_the_door_alone(door: Door):
    async with door.browser("blue") as blue:
        # Names that become the same variable, in whatever way they are written.
        forged = {"X-Coach-User": "sup", "x_coach_user": "sup", "X-Coach-Secret": "guess", "HTTP_X_COACH_USER": "sup"}
        answer = await blue.get(PAGE + "?HTTP_X_COACH_USER=sup", headers=forged)
        assert answer.status_code == 200
        told = [environment_of(pid) for pid in kernel_pids(door)]
        assert [each["HTTP_X_COACH_USER"] for each in told] == ["blue"]


async def test_what_was_in_the_starters_environment_does_not_reach_a_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    secrets = {
        "COACHSIM_TOKEN": "of-the-administrator",
        "HTTP_X_COACH_TICKET": "of-another-server",
        "DATABASE_PASSWORD": "of-the-site",
        "AWS_SECRET_ACCESS_KEY": "of-the-site",
        "JUPYTER_TOKEN": "of-a-notebook-server",
        "HTTPS_PROXY": "http://user:of-the-proxy@127.0.0.1:1",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    async with open_door(tmp_path) as door, door.browser("sup") as sup:
        await door.render(sup)
        (pid,) = kernel_pids(door)
        told = environment_of(pid)
        site = door.server.site
        known = [site.local_token, door.server.desk.secret, sup.cookies["coachsim_session"], *secrets.values()]
        ticket = told.pop("HTTP_X_COACH_TICKET")
        text = "\n".join(f"{name}={value}" for name, value in told.items())
        assert not [secret for secret in known if secret in text]
        assert site.cookie_secret.hex() not in text
        assert site.sessions.by_ticket(ticket).name == "sup"  # the one secret that it is meant to have
        # And on its command line there is none either.
        line = command_of(pid)
        assert line and not [secret for secret in (*known, ticket) if secret in line]


async def test_nothing_of_jupyter_but_what_a_page_needs_is_there(door: Door):
    async with door.browser("sup") as sup, httpx.AsyncClient(timeout=DEADLINE_S) as direct:
        kernel, _ = await door.render(sup)
        for path in (
            "voila/tree", "voila/api/contents/", "voila/files/coaching.ipynb", "voila/files/x", "login", "logout",
            "api/contents", "api/kernels", "api/kernelspecs", "api/sessions", "api/status", "api/me", "api/terminals",
            "api/config/x", "api/security/csp-report", "metrics", "lsp", "terminals/1", "tree", "files/x", "view/x",
            "nbconvert/html/x", "static/favicon.ico", "proxy/22/", "voila/render/secret.ipynb",
            "voila/render/../coaching.ipynb", "voila/render//coaching.ipynb", "voila/render/coaching.ipynb/",
            "voila/render/coaching.ipynb%0a", "voila/render/coaching.ipynb%00", "voila/static/../../api/kernels",
            "voila/static/%2e%2e/%2e%2e/api/kernels", "voila/static/%252e%252e/x", "voila/static/..%2f..%2fapi/kernels",
            "voila/templates/x", "voila/templates/", "voila/templates/%2fetc/static/passwd", "voila/static/",
            "voila/templates/lab/index.html.j2", "voila/templates/lab/static/..%2findex.html.j2", "%2e%2e/api/me",
            f"api/kernels/{kernel}/interrupt", f"api/kernels/{kernel}/restart", f"api/kernels/{kernel}/",
            f"voila/query/{kernel}", f"voila/execution/{kernel}", f"voila/api/shutdown/{kernel}",
            f"api/kernels/{kernel},x", "voila/static/%00", "voila/labextensions/%00", "voila/templates/lab/static/%00",
        ):  # fmt: skip
            assert await raw(door, sup, "GET", "/desk/" + path) == 404, path
        for path in ("voila/static//etc/passwd", "voila/labextensions//etc/passwd",
                     "voila/templates/lab/static//etc/passwd"):  # fmt: skip
            assert await raw(door, sup, "GET", "/desk/" + path) in (403, 404), path
        for method in ("POST", "PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            for path in (PAGE, "/desk/api/kernels", f"/desk/api/kernels/{kernel}", "/desk/voila/static/voila.js"):
                assert await raw(door, sup, method, path) in (404, 405), f"{method} {path}"
        # On its own port Voila answers to the front door alone.
        voila = f"http://127.0.0.1:{door.server.desk.port}"
        for path in (PAGE, f"/desk/api/kernels/{kernel}", f"/desk/api/kernels/{kernel}/channels"):
            for headers in ({}, {"X-Coach-User": "sup"}, {"X-Coach-Secret": "guess", "X-Coach-User": "sup"}):
                assert (await direct.get(voila + path, headers=headers)).status_code == 403, path


async def test_voilas_settings_are_not_the_visitors(door: Door):
    async with door.browser("sup") as sup:
        _, plain = await door.render(sup)
        _, other = await door.render(sup, PAGE + "?template=lab&theme=dark&voila-template=lab&voila-theme=dark")
        assert "connecting …" in other.text
        assert [line for line in other.text.splitlines() if "jp-Notebook" in line] == [
            line for line in plain.text.splitlines() if "jp-Notebook" in line
        ]


async def test_a_page_of_the_desk_loads_and_calls_nothing_outside(door: Door):
    async with door.browser("sup") as sup:
        _, page = await door.render(sup)
        policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
        # Voila's page has inline scripts, and Vue compiles templates: both have to be allowed. Hosts are not.
        sources = {source for sources in policy.values() for source in sources.split()}
        assert sources <= {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "blob:", "data:"}
        assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == "'self'"
        assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
        assert (page.headers["X-Frame-Options"], page.headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
        assert "no-store" in page.headers["Cache-Control"]
        for name in ("Server", "Set-Cookie", "X-Jupyterhub-Version", "Access-Control-Allow-Origin"):
            assert name not in page.headers


def kernel_pids(door: Door) -> list[int]:
    """The kernels that Voila has now."""
    process = door.server.desk.process
    assert process is not None
    return kernels_of(process.pid)
