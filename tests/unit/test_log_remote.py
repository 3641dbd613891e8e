"""Fetching from servers that answer oddly or not at all, and where the token comes from and goes to."""

from __future__ import annotations

import getpass
import io
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from coachsim.errors import CoachsimError, InvalidInput, LogDamaged, LogError, NotSignedIn, ServerUnavailable
from coachsim.log import open_log
from coachsim.log.remote import ServerSource


class Server:
    """Plays the server's part: answers every request with what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer = (200, {}, b"")
        self.asked: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                status, headers, body = server.answer
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *about) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server():
    playing = Server()
    yield playing
    playing.close()


def told(code: str, message: str) -> bytes:
    return f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'.encode()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ((200, {}, b"<html>Welcome to the router</html>"), LogDamaged, "does not give tables of a coachsim log"),
        ((200, {"Content-Length": "1000"}, b"PAR1"), ServerUnavailable, "broke off"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), ServerUnavailable, r"not answer like .* \(status 302\)"),
        ((500, {}, b"<h1>Oops</h1>"), ServerUnavailable, r"not answer like .* \(status 500\)"),
        ((500, {}, b'{"error": null}'), ServerUnavailable, "not answer like"),
        ((404, {}, told("not_found", "The log has no table.")), LogError, "another version of coachsim: update it"),
        ((401, {}, told("not_signed_in", "Sign in first.")), NotSignedIn, "does not know this token"),
        ((503, {}, told("log_unavailable", "The disk is full.")), LogError, "The disk is full."),
        ((418, {}, told("teapot", "I am a teapot.")), CoachsimError, "I am a teapot."),
    ],
)
def test_odd_answers_are_one_sentence(server, monkeypatch, answer, error, says):
    monkeypatch.setenv("COACHSIM_TOKEN", "secret-of-mine")
    server.answer = answer
    with pytest.raises(error, match=says) as raised:
        open_log(server.url)
    assert "secret-of-mine" not in str(raised.value)


def test_the_token_goes_into_a_header_and_nowhere_else(server, tmp_path):
    server.answer = (200, {}, b"some bytes")
    with ServerSource(server.url + "/", "2026-03-02", None, token="secret-of-mine") as source:
        source.fetch("deliveries", tmp_path / "file", 17)
        source.fetch("run", tmp_path / "other", None)
    assert (tmp_path / "file").read_bytes() == b"some bytes"
    (first, headers), (second, _) = server.asked
    assert first == "/api/log/deliveries.parquet?from=2026-03-02&as_of=17"
    assert second == "/api/log/run.parquet?from=2026-03-02"
    assert headers["authorization"] == "Bearer secret-of-mine"
    assert not [value for name, value in headers.items() if "secret" in value and name != "authorization"]
    assert source.url == server.url


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http://?x",
        "https://name:word@floor.example",
        "http://floor.example?token=x",
        "http://floor.example#x",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(address):
    with pytest.raises(InvalidInput) as raised:
        open_log(address)
    assert "word" not in str(raised.value).replace("password", "")
    assert raised.value.field == "where"


def headers_sent(server) -> dict[str, str]:
    with pytest.raises(LogDamaged):
        open_log(server.url)
    return server.asked[-1][1]


def test_a_pages_ticket_goes_to_its_own_server_only(server, monkeypatch):
    monkeypatch.setenv("HTTP_X_COACH_TICKET", "the-ticket")
    monkeypatch.setenv("COACHSIM_TOKEN", "the-token")
    monkeypatch.setenv("COACHSIM_URL", server.url + "/")
    sent = headers_sent(server)
    assert (sent.get("x-coach-ticket"), sent.get("authorization")) == ("the-ticket", None)
    monkeypatch.setenv("COACHSIM_URL", "http://127.0.0.1:9")
    sent = headers_sent(server)
    assert (sent.get("x-coach-ticket"), sent.get("authorization")) == (None, "Bearer the-token")


def test_a_token_is_asked_for_only_where_somebody_can_answer(server, monkeypatch):
    asked = []
    monkeypatch.setattr(getpass, "getpass", lambda question: asked.append(question) or "typed")
    monkeypatch.setattr(sys, "stdin", io.StringIO("never read"))
    with pytest.raises(NotSignedIn, match="into the environment variable COACHSIM_TOKEN"):
        open_log(server.url)
    assert asked == []
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert headers_sent(server)["authorization"] == "Bearer typed"
    assert asked == [f"API token for {server.url}: "]


class Kernel:
    """What stands behind ``getpass`` in a notebook."""

    def __init__(self, allow_stdin: bool) -> None:
        self._allow_stdin = allow_stdin

    def getpass(self, question: str) -> str:
        return "typed into the notebook"


def test_a_notebook_asks_its_reader_and_a_run_without_one_does_not(server, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", Kernel(allow_stdin=True).getpass)
    assert headers_sent(server)["authorization"] == "Bearer typed into the notebook"
    monkeypatch.setattr(getpass, "getpass", Kernel(allow_stdin=False).getpass)
    with pytest.raises(NotSignedIn, match="COACHSIM_TOKEN"):
        open_log(server.url)


@pytest.mark.parametrize("token", ["", " \n", "ab\ncd", "schlüssel"])
def test_what_cannot_be_a_token_is_not_sent(server, monkeypatch, token):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("COACHSIM_TOKEN", token)
    with pytest.raises(NotSignedIn):
        open_log(server.url)
    assert server.asked == []
