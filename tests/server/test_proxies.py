"""Whom the server believes about a request: the proxy in front, by address and secret, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tornado.httputil import HTTPHeaders

from coachsim.errors import SettingsError
from coachsim.server.proxies import Proxies
from coachsim.server.throttle import PER_NAME_AND_ADDRESS
from tests.server.test_sign_in import cli
from tests.serving import DEADLINE_S, PASSWORD, Served, add_account, serve

PROXY = "127.0.0.5"  # Linux has all of 127.0.0.0/8, so a request can come from another address than the server's
SECRET = "known to the proxy and the server"


def passing(served: Served, address: str, secret: str | None = SECRET, **headers: str) -> httpx.Client:
    """A client whose requests come from this address, as a proxy's or anybody's would."""
    shown = {} if secret is None else {"X-Coach-Proxy": secret}
    return httpx.Client(
        base_url=served.url,
        transport=httpx.HTTPTransport(local_address=address),
        headers={**shown, **{name.replace("_", "-"): value for name, value in headers.items()}},
        timeout=DEADLINE_S,
    )


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "proxy-secret"
    file.write_text(SECRET + "\n", encoding="utf-8")
    return file


@pytest.fixture
def signed_on(data: Path, secret: Path) -> Iterator[Served]:
    """A server to which a proxy says who people are."""
    options = ("--behind-proxy", PROXY, "--proxy-secret", str(secret), "--sign-on-header", "X-Remote-User")
    with serve(data, *options, "--sign-out-path", "/oauth2/sign_out") as running:
        yield running


def test_the_person_whom_the_proxy_names_is_in_and_one_who_names_himself_is_not(signed_on: Served):
    with passing(signed_on, PROXY, X_Remote_User="sup") as client:
        assert client.get("/api/me").json()["name"] == "sup"
        assert client.get("/api/agents").status_code == 200
    with passing(signed_on, PROXY, X_Remote_User="a1") as client:
        assert client.get("/api/agents").status_code == 403
    forged = {
        "from another address": passing(signed_on, "127.0.0.1", X_Remote_User="sup"),
        "without the secret": passing(signed_on, PROXY, None, X_Remote_User="sup"),
        "with a wrong secret": passing(signed_on, PROXY, SECRET[:-1], X_Remote_User="sup"),
        "beside the proxy's own": passing(signed_on, PROXY, X_Remote_User="sup, a1"),
        "by a forwarded address": passing(signed_on, "127.0.0.1", None, X_Remote_User="sup", X_Forwarded_For=PROXY),
    }
    for way, client in forged.items():
        with client:
            assert client.get("/api/me").status_code == 401, way


def test_a_change_through_the_sign_on_needs_the_xsrf_token_too(signed_on: Served):
    audience = {"audience": {"agents": ["a1"]}}
    with passing(signed_on, PROXY, X_Remote_User="sup") as client:
        assert client.post("/api/messages/preview", json=audience).status_code == 403
        token = client.get("/").cookies["_xsrf"]
        shown = {"X-XSRFToken": token, "Cookie": f"_xsrf={token}"}
        assert client.post("/api/messages/preview", json=audience, headers=shown).status_code == 200
        out = client.post("/logout", headers=shown)
        assert (out.status_code, out.headers["Location"]) == (303, "/oauth2/sign_out")


def test_where_a_sign_on_lets_people_in_there_are_no_passwords(signed_on: Served):
    with passing(signed_on, PROXY, X_Remote_User="stranger@<b>example.org") as client:
        told = client.get("/login")
        assert (told.status_code, "signed on as stranger@&lt;b&gt;example.org" in told.text) == (403, True)
        assert client.get("/agent").headers["Location"].startswith("/login")
    with passing(signed_on, PROXY) as client:
        assert "has not said who you are" in client.get("/login").text
    with passing(signed_on, PROXY, X_Remote_User="sup") as client:
        token = client.get("/").cookies["_xsrf"]
        there = client.get("/login?next=/agent")
        assert (there.status_code, there.headers["Location"]) == (302, "/agent")
        assert "Change password" not in client.get("/").text
        assert client.get("/password").status_code == 404
        form = {"username": "a1", "password": PASSWORD, "_xsrf": token}
        assert client.post("/login", data=form, headers={"Cookie": f"_xsrf={token}"}).status_code == 404


def test_a_cookie_from_the_time_of_passwords_makes_nobody_somebody_else(data: Path, secret: Path):
    with serve(data) as before, before.browser("a1") as browser:
        cookies = dict(browser.cookies)
    options = ("--behind-proxy", PROXY, "--proxy-secret", str(secret), "--sign-on-header", "X-Remote-User")
    with serve(data, *options) as served, passing(served, PROXY, X_Remote_User="sup") as client:
        client.cookies.update(cookies)
        assert client.get("/api/me").json()["name"] == "sup"
        del client.headers["X-Remote-User"]
        assert client.get("/api/me").status_code == 401


def test_one_who_cannot_be_named_is_held_up_at_the_address_that_the_proxy_saw(data: Path):
    with serve(data, "--behind-proxy", PROXY) as served:

        def status(peer: str, forwarded: str, password: str) -> int:
            with passing(served, peer, None, X_Forwarded_For=forwarded, X_Forwarded_Proto="https") as client:
                token = client.get("/login").cookies["_xsrf"]
                form = {"username": "sup", "password": password, "_xsrf": token}
                return client.post("/login", data=form, headers={"Cookie": f"_xsrf={token}"}).status_code

        for number in range(PER_NAME_AND_ADDRESS):
            # What the client made up stands before the address that the proxy put last.
            assert status(PROXY, f"203.0.113.{number}, 192.0.2.1", "wrong") == 401
        assert status(PROXY, "192.0.2.1", PASSWORD) == 429
        assert status(PROXY, "192.0.2.2", PASSWORD) == 303
        # Whoever is no proxy is held up where it is, whatever it says.
        for number in range(PER_NAME_AND_ADDRESS):
            assert status("127.0.0.6", f"198.51.100.{number}", "wrong") == 401
        assert status("127.0.0.6", "198.51.100.99", PASSWORD) == 429


def test_cookies_are_for_tls_only_where_the_proxy_says_tls(data: Path):
    with serve(data, "--behind-proxy", PROXY) as served:
        for peer, proto, secure in ((PROXY, "https", True), (PROXY, "http", False), ("127.0.0.1", "https", False)):
            with passing(served, peer, None, X_Forwarded_Proto=proto) as client:
                assert ("Secure" in client.get("/login").headers["Set-Cookie"]) is secure, (peer, proto)


def test_an_account_for_the_sign_on_has_no_password(data: Path):
    add_account(data, "boss", "admin")
    with serve(data) as served:
        added = cli(data, "user", "add", "kim", "--role", "supervisor", "--teams", "Blue", "--no-password")
        assert (added.returncode, added.stdout) == (0, "Added kim.\n")
        with served.browser() as client:
            assert client.post("/login", data={"username": "kim", "password": ""}).status_code == 401


@pytest.mark.parametrize(
    ("given", "peer", "client"),
    [
        ("", "10.0.0.1", "10.0.0.1"),
        ("192.0.2.7", "10.0.0.1", "192.0.2.7"),
        ("1.1.1.1, 192.0.2.7", "10.0.0.1", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.2", "10.0.0.1", "192.0.2.7"),
        ("10.0.0.3,10.0.0.2", "10.0.0.1", "10.0.0.3"),
        ("192.0.2.7:4711", "10.0.0.1", "10.0.0.1"),
        ("unknown, 10.0.0.2", "10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "10.0.0.1", "2001:db8::1"),
        ("::ffff:10.0.0.2", "::ffff:10.0.0.1", "::ffff:10.0.0.2"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxys(given: str, peer: str, client: str):
    proxies = Proxies.of("10.0.0.0/24")
    headers = HTTPHeaders({"X-Forwarded-For": given} if given else {})
    assert proxies.believe(peer, headers)
    assert proxies.client(peer, headers) == client


@pytest.mark.parametrize(
    ("addresses", "content", "header", "says"),
    [
        ("", None, None, "No address"),
        ("proxy.example.org", None, None, "no address of a proxy"),
        ("10.0.0.1/24", None, None, "no address of a proxy"),
        ("127.0.0.1", None, "X-Remote-User", "Every program on this machine"),
        ("0.0.0.0/0", None, "X-Remote-User", "Every program on this machine"),
        ("::1", None, "X-Remote-User", "Every program on this machine"),
        ("10.0.0.1", None, "Cookie", "cannot name who is signed on"),
        ("10.0.0.1", None, "X-Coach-Ticket", "cannot name who is signed on"),
        ("10.0.0.1", None, "X Remote User", "cannot name who is signed on"),
        ("10.0.0.1", "short", None, "16 or more"),
        ("10.0.0.1", "two lines of\nmany characters", None, "16 or more"),
    ],
)
def test_a_proxy_that_cannot_be_trusted_stops_the_start(
    tmp_path: Path, addresses: str, content: str | None, header: str | None, says: str
):
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        Proxies.of(addresses, file if content is not None else None, header)
    with pytest.raises(SettingsError, match="cannot be read"):
        Proxies.of("10.0.0.1", tmp_path / "none", None)
    assert SECRET not in repr(Proxies.of("10.0.0.1", _written(tmp_path, SECRET)))


def _written(folder: Path, content: str) -> Path:
    file = folder / "written"
    file.write_text(content, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "options",
    [
        ("--sign-on-header", "X-Remote-User"),
        ("--proxy-secret", "file"),
        ("--sign-out-path", "/out"),
        ("--behind-proxy", "10.0.0.1", "--sign-on-header", "X-User", "--identity-provider", "a:B"),
        ("--behind-proxy", "10.0.0.1", "--sign-on-header", "X-User", "--sign-out-path", "https://example.org/"),
        ("--behind-proxy", "10.0.0.1", "--sign-on-header", "X-User", "--sign-out-path", "//example.org/"),
    ],
)
def test_options_that_do_not_fit_together_are_wrong_use(tmp_path: Path, options: tuple[str, ...]):
    done = cli(tmp_path, "serve", *options)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
