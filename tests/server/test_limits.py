"""What one caller may ask of a real server: how often, how much at once, how many streams; how it refuses the rest."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import datetime

import httpx
import pytest

from coachsim.days import to_micros
from coachsim.errors import TooManyRequests
from coachsim.remote import RemoteClient
from coachsim.server import limits
from coachsim.server.limits import BURST_S, MOST_FORM, MOST_JSON, MOST_READ, MOST_ROSTER, Rates
from coachsim.server.store import Store
from tests.serving import DEADLINE_S, PASSWORD, Served, add_everybody, listening, serve, until


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory):
    """A server that takes few requests: one a second, ten at once, and two streams of an account."""
    data = tmp_path_factory.mktemp("strict")
    add_everybody(data)
    (data / "settings.toml").write_text("requests_per_second = 1\nstreams_per_account = 2\n", encoding="utf-8")
    with serve(data) as running:
        yield running


def asked_until_refused(client: httpx.Client, path: str) -> httpx.Response:
    """Asks as often as it takes; a second's pause lets one more in, so a slow machine may need a few more."""
    for _ in range(20 * BURST_S):
        answer = client.get(path)
        if answer.status_code == 429:
            return answer
    raise AssertionError("never refused")


def test_an_account_that_asks_too_often_has_to_wait_and_the_others_do_not(strict: Served):
    with strict.client("trainer") as busy, strict.client("analyst") as other:
        refused = asked_until_refused(busy, "/api/me")
        assert int(refused.headers["Retry-After"]) == 1
        assert refused.json()["error"] == {
            "code": "too_many_requests",
            "message": "Too many requests in a short time. Try again in 1 second.",
        }
        with strict.client("trainer") as again:  # another token, the same account
            assert asked_until_refused(again, "/api/me").status_code == 429
        assert other.get("/api/me").status_code == 200
        until(lambda: busy.get("/api/me").status_code == 200, "taken again after a while")


def test_pages_are_refused_as_pages_and_strangers_by_their_address(strict: Served):
    with httpx.Client(base_url=strict.url, timeout=DEADLINE_S) as stranger:
        refused = asked_until_refused(stranger, "/login")
    assert refused.headers["Content-Type"].startswith("text/html")
    assert "Too many requests" in refused.text and refused.headers["Retry-After"] == "1"
    with strict.client("phones") as phones:  # signed in, from the same address
        assert phones.get("/api/me").status_code == 200


async def test_a_client_asks_again_when_the_server_says_and_nothing_is_lost(strict: Served):
    async with RemoteClient(strict.url, token=strict.token("sup")) as sup:
        sends = range(BURST_S + 3)
        sent = [await sup.send({"agents": ["a1"]}, f"{n}", request_id=f"asked-again-{n}") for n in sends]
        assert len({one["message_id"] for one in sent}) == len(sends)
        told = {message["message_id"] for message in (await sup.messages())["messages"]}
        assert told >= {one["message_id"] for one in sent}


def test_the_rate_is_kept_for_good_and_refusals_do_not_count():
    now = [0.0]
    rates = Rates(100, lambda: now[0])

    def taken() -> int:
        count = 0
        while True:
            try:
                rates.count("account sup")
            except TooManyRequests as refused:
                assert refused.retry_after == 1
                return count
            count += 1

    assert taken() == 100 * BURST_S
    assert taken() == 0
    rates.count("account blue")
    now[0] = 2.0
    assert taken() == 200
    now[0] = 1_000.0
    assert taken() == 100 * BURST_S


def test_an_account_has_so_many_streams_and_a_closed_one_makes_room(strict: Served):
    with strict.client("blue") as blue, strict.client("admin") as admin, listening(blue) as first:
        next(first)
        with listening(blue) as second:
            next(second)
            refused = blue.get("/api/events")
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
            assert int(refused.headers["Retry-After"]) > 0 and "Close some" in refused.json()["error"]["message"]
            with listening(admin) as other:
                next(other)

        def opened() -> bool:
            with blue.stream("GET", "/api/events") as answer:
                return answer.status_code == 200

        until(opened, "the place of the closed one is free")


@pytest.mark.parametrize(
    ("path", "most"), [("/api/messages", MOST_JSON), ("/api/roster", MOST_ROSTER), ("/login", MOST_FORM)]
)
@pytest.mark.parametrize("beyond", ["a little", "absurdly"])
def test_a_body_that_is_too_long_is_refused_with_a_sentence(shared: Served, path: str, most: int, beyond: str):
    length = most + 1 if beyond == "a little" else MOST_READ + 1
    with (
        shared.client("admin") as client,
        client.stream("POST", path, content=b"x" * length, headers={"Content-Type": "application/json"}) as answer,
    ):
        text = answer.read().decode()
        assert answer.status_code == 413
    assert f"{length:,} bytes" in text and f"{most:,} at most" in text
    if path.startswith("/api/"):
        assert answer.json()["error"]["code"] == "too_large"
    assert shared.get("/healthz").status_code == 200


def test_a_body_up_to_the_limit_is_read(shared: Served):
    body = '{"audience": {"agents": ["a1"]}, "body": "x", "request_id": "long"}'.ljust(MOST_JSON)
    with shared.client("sup") as sup:
        assert sup.post("/api/messages", content=body).status_code == 201


def test_a_body_of_unknown_length_is_refused(shared: Served):
    def chunks():
        yield b'{"audience":'
        yield b'{"everyone":true}}'

    with shared.client("sup") as sup:
        answer = sup.post("/api/messages/preview", content=chunks())
        assert (answer.status_code, answer.json()["error"]["code"]) == (411, "length_required")
        assert sup.get("/api/me").status_code == 200


def test_a_send_does_not_wait_for_those_who_sign_in(served: Served):
    async def storm() -> str:
        with served.browser() as one:
            cookies, headers = one.cookies, one.headers
        token = {"Authorization": f"Bearer {served.token('sup')}"}
        draft = {"audience": {"everyone": True}, "body": "Hello", "request_id": "in the storm"}
        async with (
            httpx.AsyncClient(base_url=served.url, cookies=cookies, headers=headers, timeout=2 * DEADLINE_S) as crowd,
            httpx.AsyncClient(base_url=served.url, headers=token, timeout=2 * DEADLINE_S) as sup,
        ):
            form = {"username": "a1", "password": PASSWORD}
            signing_in = [crowd.post("/login", data=form) for _ in range(40)]
            *signed_in, sent = await asyncio.gather(*signing_in, sup.post("/api/messages", json=draft))
            assert {answer.status_code for answer in signed_in} == {303}
            assert sent.status_code == 201
            return str(sent.json()["sent_at"])

    # By the server's clock: this process may stand still while the answers come.
    sent_at = to_micros(datetime.fromisoformat(asyncio.run(storm())))
    store = Store(served.data)
    try:
        began = [at for (at,) in store.rows("SELECT began_at FROM session WHERE account = 'a1'")]
    finally:
        store.close()
    assert len(began) == 40
    assert sum(at > sent_at for at in began) > 20


def test_guesses_that_come_all_at_once_are_turned_away_like_those_that_come_one_by_one(served: Served):
    async def guess_all() -> list[int]:
        with served.browser() as one:
            cookies, headers = one.cookies, one.headers
        async with httpx.AsyncClient(base_url=served.url, cookies=cookies, headers=headers, timeout=60) as client:

            async def guess(number: int) -> int:
                answer = await client.post("/login", data={"username": "sup", "password": f"guess {number}"})
                if answer.status_code == 429:
                    assert int(answer.headers["Retry-After"]) > 0
                return answer.status_code

            return await asyncio.gather(*(guess(number) for number in range(30)))

    statuses = asyncio.run(guess_all())
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 6  # five, and one that was under way beside the fifth


def test_the_server_lets_itself_open_as_many_files_as_its_agents_need():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard})); import logging;"
        " logging.basicConfig(format='%(message)s'); from coachsim.server import limits;"
        " limits.allow_open_files(1_000); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )

    def limited(hard: int) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", code.format(hard=hard)], capture_output=True, text=True, timeout=60
        )
        return int(done.stdout), done.stderr

    assert limited(4_096) == (2 * (1_000 + limits.FILES_BESIDE), "")
    files, said = limited(1_200)
    assert files == 1_200
    assert "1200 open files, too few" in said and "LimitNOFILE" in said and "1500 or more" in said
