"""A proxy with TLS in front, as docs/operations has it: nginx for real, Caddy where the machine has it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from coachsim.server.throttle import PER_NAME_AND_ADDRESS
from tests.server.desks import KERNEL, PAGE
from tests.serving import DEADLINE_S, PASSWORD, Served, add_everybody, listening, next_frame, port_to_keep, serve, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PROXIES = ["nginx", *(["caddy"] if shutil.which("caddy") else [])]
NGINX_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
KERNEL_INFO = (
    '{"channel":"shell","header":{"msg_id":"1","msg_type":"kernel_info_request","session":"x","username":"",'
    '"version":"5.3","date":"2026-01-01T00:00:00Z"},"parent_header":{},"metadata":{},"content":{}}'
)


class Front:
    """The proxy as a client sees it: its address, and the certificate that is believed."""

    def __init__(self, port: int, plain: int, certificate: Path) -> None:
        self.port = port
        self.plain = f"http://localhost:{plain}"
        self.url = f"https://localhost:{port}"
        self.trust = ssl.create_default_context(cafile=str(certificate))

    def client(self, address: str = "127.0.0.1", **options) -> httpx.Client:
        """A browser at this address of the machine, with cookies that it keeps by itself."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=address)
        return httpx.Client(base_url=self.url, transport=transport, timeout=DEADLINE_S, **options)

    def sign_in(self, client: httpx.Client, name: str, password: str = PASSWORD, **form: str) -> httpx.Response:
        client.headers["X-XSRFToken"] = client.get("/login").cookies.get("_xsrf") or client.cookies["_xsrf"]
        return client.post("/login", data={"username": name, "password": password, **form})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for localhost that the test has signed itself."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "privkey.pem"]
    subprocess.run([*command, "-out", folder / "fullchain.pem"], check=True, capture_output=True)
    return folder


@contextmanager
def front(
    kind: str, repository: Path, folder: Path, certificate: Path, served: Served, edit=str, file: str | None = None
) -> Iterator[Front]:
    """Starts the proxy with its file of the documentation, of which only names, ports and paths are changed."""
    folder.mkdir()
    port, plain = port_to_keep(), port_to_keep()
    operations = repository / "docs" / "operations"
    file = file or {"nginx": "nginx.conf", "caddy": "Caddyfile"}[kind]
    text = edit((operations / file).read_text(encoding="utf-8"))
    for old, new in (
        ("127.0.0.1:8800", served.url.removeprefix("http://")),
        ("/etc/ssl/coachsim", str(certificate)),
        ("desk.example.org", "localhost" if kind == "nginx" else f"https://localhost:{port}"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
    ):
        text = text.replace(old, new)
    if kind == "nginx":
        (folder / "coachsim.conf").write_text(text, encoding="utf-8")
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/said.txt notice;\n"
            "events { worker_connections 256; }\n"
            f"http {{ access_log off;\n{temporary}include {folder}/coachsim.conf; }}\n",
            encoding="utf-8",
        )
        command = [shutil.which("nginx", path=NGINX_PATH) or "nginx", "-c", str(folder / "nginx.conf")]
    else:
        site = f"https://localhost:{port} {{\n"
        text = text.replace(site, f"{site}\ttls {certificate}/fullchain.pem {certificate}/privkey.pem\n", 1)
        options = f"{{\n\tadmin off\n\thttp_port {plain}\n\tstorage file_system {folder}\n}}\n"
        (folder / "Caddyfile").write_text(options + text, encoding="utf-8")
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or accepts(port), f"{kind} listens")
        assert process.poll() is None, (folder / "output.txt").read_text()
        yield Front(port, plain, certificate / "fullchain.pem")
    finally:
        process.kill()  # asked to end, Caddy would wait for whatever is open
        process.wait(DEADLINE_S)


def comes_at_once(sender: httpx.Client, a1: httpx.Client) -> None:
    """What is sent from one browser comes to the agent a1's stream one by one: nothing in between holds it back."""
    assert a1.put("/api/agents/a1/state", json={"state": "logged_in"}).status_code == 200
    with listening(a1) as frames:
        assert next(frames)[1] == "heartbeat"
        for number in range(3):
            message = {"audience": {"agents": ["a1"]}, "body": f"number {number}", "request_id": str(number)}
            assert sender.post("/api/messages", json=message).status_code == 201
            assert next_frame(frames, "message")[2]["body"] == f"number {number}"


def accepts(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("kind", PROXIES)
def test_a_proxy_with_tls_in_front(kind: str, repository: Path, tmp_path: Path, certificate: Path):
    data = tmp_path / "floor"
    add_everybody(data)
    with (
        serve(data, "--behind-proxy", desk=True) as served,
        front(kind, repository, tmp_path / "proxy", certificate, served) as proxy,
        proxy.client() as sup,
        proxy.client() as ann,
    ):
        # Plain HTTP leads to TLS, and signing in to no other site.
        plain = httpx.get(proxy.plain + "/login?next=/agent", timeout=DEADLINE_S)
        assert plain.status_code == 308
        assert plain.headers["Location"].startswith("https://localhost")
        answer = proxy.sign_in(sup, "sup", next="https://example.org/")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        cookies = answer.headers.get_list("Set-Cookie")
        assert cookies and all("Secure" in cookie for cookie in cookies)
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        for path in ("//example.org", "/\\example.org", "/desk/", "/coaching"):
            led = sup.get(path, headers={"X-Forwarded-Host": "example.org"})
            assert "example.org" not in led.headers.get("Location", ""), path

        # Sent from one browser, it comes to the other one's stream at once.
        assert proxy.sign_in(ann, "a1").status_code == 303
        comes_at_once(sup, ann)

        # Nobody is near: who is asked from is the client, not the proxy.
        with proxy.client() as anybody:
            assert anybody.get("/metrics").status_code == 401
            assert anybody.get("/healthz", headers={"X-Real-IP": "127.0.0.1"}).status_code == 401

        # A guesser is held up at its own address, whatever it writes, and nobody else is.
        for number in range(PER_NAME_AND_ADDRESS):
            with proxy.client("127.0.0.7", headers={"X-Forwarded-For": f"192.0.2.{number}"}) as guesser:
                assert proxy.sign_in(guesser, "sup", "a guess").status_code == 401
        with proxy.client("127.0.0.7", headers={"X-Forwarded-For": "192.0.2.99"}) as guesser:
            assert proxy.sign_in(guesser, "sup").status_code == 429
        with proxy.client("127.0.0.8") as other:
            assert proxy.sign_in(other, "sup").status_code == 303

        # The desk's page, and its kernel over a websocket.
        served.wait_for("the desk is ready")
        page = sup.get(PAGE, timeout=120)
        assert page.status_code == 200
        kernel = KERNEL.search(page.content)[1].decode()
        asyncio.run(asks_its_kernel(proxy, kernel, sup))


async def asks_its_kernel(proxy: Front, kernel: str, client: httpx.Client, **more: str) -> None:
    url = f"wss://localhost:{proxy.port}/desk/api/kernels/{kernel}/channels?session_id=x"
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"Cookie": cookie, "Origin": proxy.url, **more}
    connection = await websocket_connect(HTTPRequest(url, headers=headers, ssl_options=proxy.trust))
    async with asyncio.timeout(DEADLINE_S):
        try:
            await connection.write_message(KERNEL_INFO)
            assert await connection.read_message() is not None
        finally:
            connection.close()
            while await connection.read_message() is not None:
                pass  # until it is closed: a line left open is told of at some later time, in another test
