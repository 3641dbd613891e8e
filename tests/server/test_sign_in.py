"""Signing in and out, what a session may do, and the many ways in which one ends."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import time

import httpx
import pytest

from coachsim.server.accounts import Account, Accounts
from coachsim.server.store import Store
from coachsim.server.throttle import PER_ADDRESS, PER_NAME, PER_NAME_AND_ADDRESS, WINDOW_S, Throttle, TooManyAttempts
from tests.serving import DEADLINE_S, PASSWORD, Served, add_account, listening, make_ticket, next_frame, serve, until

AT_ONCE_S = 30.0  # a second is meant, and the machine may be busy; left to the server's minute, it takes longer


def cli(data, *arguments, stdin=""):
    command = [sys.executable, "-m", "coachsim.cli", *arguments, "--data", str(data)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_a_session_begins_with_the_right_password_only(served: Served):
    with served.browser() as client:
        wrong = client.post("/login", data={"username": "sup", "password": "not it"})
        assert wrong.status_code == 401
        assert "name or the password" in wrong.text
        unknown = client.post("/login", data={"username": "nobody", "password": "not it"})
        assert unknown.status_code == 401
        assert client.get("/api/me").status_code == 401
        answer = client.post("/login", data={"username": "SUP", "password": PASSWORD, "next": "/agent?x=1"})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/agent?x=1")
        cookie = next(each for each in answer.headers.get_list("Set-Cookie") if "session" in each)
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
        assert client.get("/api/me").json()["name"] == "sup"


@pytest.mark.parametrize("address", ["https://example.org/", "//example.org/", "/\\example.org", "javascript:x"])
def test_signing_in_leads_to_no_other_site(shared: Served, address: str):
    with shared.browser() as client:
        answer = client.post("/login", data={"username": "sup", "password": PASSWORD, "next": address})
        assert answer.headers["Location"] == "/"


def test_a_change_by_a_browser_needs_the_xsrf_token_and_a_script_does_not(shared: Served):
    audience = {"audience": {"agents": ["a1"]}}
    with shared.browser("sup") as browser, shared.client("sup") as script:
        assert browser.post("/api/messages/preview", json=audience).status_code == 200
        del browser.headers["X-XSRFToken"]
        refused = browser.post("/api/messages/preview", json=audience)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        assert browser.post("/logout").status_code == 403
        assert script.post("/api/messages/preview", json=audience).status_code == 200


def test_a_cookie_that_the_server_did_not_sign_is_nothing(shared: Served):
    with httpx.Client(base_url=shared.url, timeout=DEADLINE_S, cookies={"coachsim_session": "sup"}) as client:
        assert client.get("/api/me").status_code == 401


def test_own_pages_have_a_strict_policy_and_say_nothing_of_the_server(shared: Served):
    for path in ("/", "/login", "/api/me", "/static/agent/site.css", "/nothing"):
        headers = shared.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in headers


def test_a_server_on_loopback_answers_to_no_other_name(shared: Served):
    for host in ("coachsim.example.org", "[", "[::1", "a]b"):
        for path in ("/", "/api/me", "/healthz"):
            answer = shared.get(path, headers={"Host": host})
            assert (answer.status_code, "its own machine only" in answer.text) == (403, True), (host, path)


def test_pages_lead_to_sign_in_and_tell_the_wrong_account_so(shared: Served):
    answer = shared.get("/agent?seat=1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=%2Fagent%3Fseat%3D1")
    with shared.browser("sup") as client:
        assert client.get("/agent").status_code == 403
    with shared.browser("a1") as client:
        assert client.get("/agent").status_code == 200


def test_failed_sign_ins_have_to_wait(served: Served):
    with served.browser() as client:
        for _ in range(PER_NAME_AND_ADDRESS):
            assert client.post("/login", data={"username": "sup", "password": "guess"}).status_code == 401
        held = client.post("/login", data={"username": "sup", "password": PASSWORD})
        assert held.status_code == 429
        assert "Try again in" in held.text
        assert client.post("/login", data={"username": "blue", "password": PASSWORD}).status_code == 303


def test_a_contact_centre_behind_one_address_may_mistype_a_stranger_there_may_not():
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for number in range(PER_ADDRESS):
        throttle.failed(f"nobody{number}", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        throttle.check("kim", "192.0.2.1")
    for number in range(1_000):
        throttle.succeeded(f"a{number}", "192.0.2.7")
        throttle.succeeded("a0", "192.0.2.7")
    for number in range(PER_ADDRESS + 999):
        throttle.failed(f"b{number}", "192.0.2.7")
        throttle.check("kim", "192.0.2.7")
    throttle.failed("c", "192.0.2.7")
    with pytest.raises(TooManyAttempts):
        throttle.check("kim", "192.0.2.7")
    now[0] = WINDOW_S  # those who got in are forgotten with the failures
    for number in range(PER_ADDRESS):
        throttle.check("kim", "192.0.2.7")
        throttle.failed(f"b{number}", "192.0.2.7")
    with pytest.raises(TooManyAttempts):
        throttle.check("kim", "192.0.2.7")


def test_the_throttle_forgets_and_holds_no_one_elses_name():
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for _ in range(PER_NAME_AND_ADDRESS):
        throttle.failed("Sup", "192.0.2.1")
    with pytest.raises(TooManyAttempts) as held:
        throttle.check("sup", "192.0.2.1")
    assert held.value.retry_after == WINDOW_S
    throttle.check("sup", "192.0.2.2")
    for number in range(PER_NAME):
        throttle.failed("sup", f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        throttle.check("sup", "192.0.2.2")
    now[0] = WINDOW_S + 1
    throttle.check("sup", "192.0.2.1")


def ended_by_sign_out(served: Served, browser: httpx.Client) -> None:
    assert browser.post("/logout").status_code == 303


def ended_by_disabling(served: Served, browser: httpx.Client) -> None:
    assert cli(served.data, "user", "disable", "sup").returncode == 0


def ended_by_other_teams(served: Served, browser: httpx.Client) -> None:
    assert cli(served.data, "user", "change", "sup", "--teams", "Red").returncode == 0


def ended_by_a_new_password(served: Served, browser: httpx.Client) -> None:
    assert cli(served.data, "user", "change", "sup", "--password-stdin", stdin="another one\n").returncode == 0


@pytest.mark.parametrize(
    "ending", [ended_by_sign_out, ended_by_disabling, ended_by_other_teams, ended_by_a_new_password]
)
def test_a_sign_in_ends_with_its_streams_at_once(served: Served, ending):
    with served.browser("sup") as browser, httpx.Client(base_url=served.url, timeout=DEADLINE_S) as listener:
        listener.cookies = httpx.Cookies(browser.cookies)
        with listening(listener) as frames:
            assert next(frames)[1] == "heartbeat"
            ending(served, browser)
            began = time.monotonic()
            next_frame(frames, "signed_out")
            assert time.monotonic() - began < AT_ONCE_S
        assert listener.get("/api/me").status_code == 401


@pytest.mark.parametrize(
    "command",
    [("user", "disable", "sup"), ("user", "change", "sup", "--teams", "Red")],
    ids=["disabled", "other teams"],
)
def test_tickets_die_with_their_session(served: Served, command):
    _, ticket = make_ticket(served.data, "sup")
    _, others = make_ticket(served.data, "blue")
    with httpx.Client(base_url=served.url, timeout=DEADLINE_S, headers={"X-Coach-Ticket": ticket}) as kernel:
        assert kernel.get("/api/me").json()["name"] == "sup"
        # A ticket can do exactly what its user may, without XSRF: no browser sends it by itself.
        assert kernel.post("/api/messages/preview", json={"audience": {"everyone": True}}).status_code == 200
        assert kernel.get("/api/roster").status_code == 403
        with listening(kernel) as frames:
            assert next(frames)[1] == "heartbeat"
            assert cli(served.data, *command).returncode == 0
            began = time.monotonic()
            next_frame(frames, "signed_out")
            assert time.monotonic() - began < AT_ONCE_S
        assert kernel.get("/api/me").status_code == 401
    with httpx.Client(base_url=served.url, timeout=DEADLINE_S, headers={"X-Coach-Ticket": others}) as kernel:
        assert kernel.get("/api/me").json()["name"] == "blue"


def test_a_token_works_until_its_account_is_disabled(served: Served):
    made = cli(served.data, "token", "sup")
    token = made.stdout.strip()
    assert made.stdout == token + "\n"
    headers = {"Authorization": f"Bearer {token}"}
    assert served.get("/api/me", headers=headers).json()["name"] == "sup"
    cli(served.data, "user", "disable", "sup")
    assert served.get("/api/me", headers=headers).status_code == 401
    assert token.encode() not in b"".join(path.read_bytes() for path in served.data.glob("accounts.sqlite*"))


def test_an_agent_made_inactive_is_out(served: Served):
    with served.client("a1") as ann, served.browser("a1") as page, served.client("admin") as admin:
        with listening(page) as frames:
            next(frames)
            csv = admin.get("/api/roster").text
            csv = re.sub(r"^(a1,.*),true$", r"\1,false", csv, flags=re.MULTILINE)
            assert admin.post("/api/roster", content=csv).json()["changed"] == 1
            next_frame(frames, "signed_out")
        assert ann.get("/api/me").status_code == 401
        assert page.get("/api/me").status_code == 401
        answer = page.post("/login", data={"username": "a1", "password": PASSWORD})
        assert answer.status_code == 401


def test_a_password_can_be_changed_and_ends_the_other_sessions(served: Served):
    with served.browser("sup") as here, served.browser("sup") as elsewhere:
        form = {"password": PASSWORD, "new_password": "battery staple", "repeat": "battery staple"}
        assert here.post("/password", data=form | {"password": "wrong"}).status_code == 401
        assert here.post("/password", data=form | {"repeat": "battery stable"}).status_code == 422
        assert here.post("/password", data=form | {"new_password": "short", "repeat": "short"}).status_code == 422
        assert elsewhere.get("/api/me").status_code == 200
        assert here.post("/password", data=form).status_code == 303
        assert here.get("/api/me").status_code == 200
        assert elsewhere.get("/api/me").status_code == 401
    with served.browser("sup", "battery staple") as again:
        assert again.get("/api/me").status_code == 200


def test_sessions_outlive_a_restart(data):
    with serve(data) as first, first.browser("sup") as browser:
        cookies = httpx.Cookies(browser.cookies)
    with serve(data) as second:
        assert second.get("/api/me", cookies=cookies).json()["name"] == "sup"


def test_the_first_start_prints_a_link_for_the_first_admin(tmp_path):
    with serve(tmp_path / "new") as first:
        link = first.wait_for(r"Make the admin account: (\S+)")[1]
        token = link.partition("token=")[2]
        assert httpx.get(link, timeout=DEADLINE_S).status_code == 200
        with first.browser() as client:
            form = {"username": "boss", "password": PASSWORD}
            assert client.post("/setup", data=form | {"token": "guess"}).status_code == 403
            assert client.post("/setup", data=form | {"token": token}).status_code == 303
            assert client.get("/api/me").json()["roles"] == ["admin"]
            assert "coachsim user add" in client.get("/").text
            late = client.post("/setup", data=form | {"token": token})
            assert (late.status_code, "coachsim user add NAME --role admin" in late.text) == (404, True)


def test_accounts_and_their_changes_are_on_record(data):
    add_account(data, "new", "trainer")
    store = Store(data)
    try:
        accounts = Accounts(store)
        accounts.change("new", actor="boss", disabled=True)
        assert accounts.get("NEW") == Account("new", frozenset({"trainer"}), disabled=True)
        rows = store.rows("SELECT actor, action, subject FROM change WHERE subject = 'new' ORDER BY happened_at")
        assert [tuple(row) for row in rows] == [("test", "account_added", "new"), ("boss", "account_changed", "new")]
    finally:
        store.close()
    assert data.joinpath("accounts.sqlite").stat().st_mode & 0o077 == 0


def test_an_account_added_beside_the_server_can_sign_in_at_once(served: Served):
    added = cli(
        served.data, "user", "add", "late", "--role", "supervisor", "--teams", "all", "--password-stdin",
        stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    with served.browser("late") as client:
        assert until(lambda: client.get("/api/agents").status_code == 200, "the new account may look")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202e{{ 7 * 7 }}", "'"]
)
def test_a_hostile_name_comes_back_as_text(shared: Served, name: str):
    with shared.browser() as client:
        page = client.post("/login", data={"username": name, "password": "wrong", "next": name})
    assert page.status_code == 401
    assert "not right" in page.text
    assert f'value="{html.escape(name)}"' in page.text
    assert "<script>alert" not in page.text and "<img" not in page.text
