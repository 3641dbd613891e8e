"""A practice floor behind the front door: its pace, its accounts, its seats, and a kill in the middle of its day."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd
import pytest

from coachsim.server.app import Server
from coachsim.server.site import Options
from coachsim.server.stalls import LOOK_S
from tests.server.test_cli import cli, failed
from tests.serving import DEADLINE_S, Served, add_account, listening, make_token, next_frame, serve, until

SCENARIO = """
name = "A small day"
time_zone = "Europe/London"
practice_from = "10:30"
absence = 0.0

[floor]
agents = 30
teams = 3

[[shifts]]
start = "08:00"
length_h = 12

[[messages]]
key = "series"
body = "Hello"
to = "a team"
every_min = 5
start = "09:00"
until = "19:00"
"""


def scenario(folder: Path) -> Path:
    path = folder / "small.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@contextmanager
def practising(folder: Path, *arguments: str) -> Iterator[Served]:
    """A practice floor on a folder of its own."""
    data = folder / "practice"
    with serve(data, "--practice", str(scenario(folder)), "--seed", "5", *arguments) as served:
        yield served


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with practising(tmp_path_factory.mktemp("shared")) as served:
        yield served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with practising(tmp_path) as running:
        yield running


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def agents_of(client: httpx.Client) -> dict[str, dict]:
    return {row["agent_id"]: row for row in client.get("/api/agents").json()["agents"]}


# --- mode and pace ---


def test_it_says_that_it_is_practice_and_how_fast_it_runs(shared: Served):
    with shared.client("supervisor") as sup:
        assert sup.get("/api/me").json()["mode"] == "practice"
        floor = sup.get("/api/floor").json()
        assert (floor["mode"], floor["floor"], floor["speed"], floor["paused"]) == (
            "practice",
            "A small day",
            60,
            False,
        )
        # It starts in the middle of the day: people are in, and messages are under way.
        assert floor["counts"]["logged_in"] > 20
        assert sup.get("/api/messages").json()["messages"]


async def test_the_day_waits_for_whoever_comes_first(tmp_path: Path):
    server = await Server.start(Options(tmp_path / "floor", practice=scenario(tmp_path), port=0, desk=False))
    try:
        site = server.site
        async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client:
            # Nobody is told by these who asks.
            for path in ("/", "/login", "/healthz", "/metrics"):
                assert (await client.get(path)).status_code == 200
            assert (await client.get("/api/floor")).status_code == 401
            assert site.practice.clock.paused
            stands_at = site.host.now()
            headers = {"Authorization": f"Bearer {make_token(tmp_path / 'floor', 'analyst')}"}
            assert (await client.get("/api/me", headers=headers)).status_code == 200
            assert not site.practice.clock.paused
            assert site.host.now() >= stands_at
            # From then on whoever may stops it, and whoever else comes does not start it.
            await site.practice.set_pace(paused=True, actor="trainer")
            assert (await client.get("/api/me", headers=headers)).status_code == 200
            assert site.practice.clock.paused
    finally:
        await server.stop()


def test_speed_and_pause_are_changed_by_supervisors_and_trainers_and_told_to_those_who_watch(served: Served):
    with served.client("supervisor") as sup, served.client("trainer") as trainer, listening(sup) as frames:
        next(frames)
        answer = trainer.put("/api/practice", json={"paused": True}).json()
        assert (answer["speed"], answer["paused"]) == (60, True)
        told = next(data for _, name, data in frames if name == "floor" and data["paused"])
        assert told["now"] == answer["now"]
        floor = sup.get("/api/floor").json()
        assert (floor["paused"], floor["now"]) == (True, answer["now"])
        answer = sup.put("/api/practice", json={"speed": 300, "paused": False}).json()
        assert (answer["speed"], answer["paused"]) == (300, False)
        until(lambda: sup.get("/api/floor").json()["now"] > answer["now"], "floor time running")
        for wrong in ({}, {"speed": 0}, {"speed": "60"}, {"speed": 1e9}, {"paused": 1}, {"pause": True}):
            assert error(sup.put("/api/practice", json=wrong)) == (422, "invalid_input"), wrong
        assert error(sup.put("/api/practice", content='{"speed": NaN}')) == (422, "invalid_input")


@pytest.mark.parametrize("name", ["analyst", "admin"])
def test_others_may_neither_change_the_pace_nor_sit(shared: Served, name: str):
    with shared.client(name) as client:
        for method, path in (("PUT", "/api/practice"), ("POST", "/api/seats/a01"), ("DELETE", "/api/seats/a01")):
            assert error(client.request(method, path, json={})) == (403, "forbidden")
        for path in ("/api/agents", "/api/messages", "/api/inbox"):
            assert client.get(path).status_code == 403


def test_a_live_floor_has_neither(tmp_path: Path):
    add_account(tmp_path, "sup", "supervisor", teams=None)
    add_account(tmp_path, "tom", "trainer")
    with serve(tmp_path) as live, live.client("sup") as sup, live.client("tom") as trainer:
        for client in (sup, trainer):
            for answer in (
                client.put("/api/practice", json={"speed": 10}),
                client.post("/api/seats/a1"),
                client.delete("/api/seats/a1"),
            ):
                assert error(answer) == (404, "not_found")
                assert "live" in answer.json()["error"]["message"]
            assert client.get("/api/inbox?seat=a1").status_code == 403
        assert trainer.get("/api/agents").status_code == 403
        assert httpx.post(live.url + "/enter", data={"name": "sup"}, timeout=DEADLINE_S).status_code in (403, 404)


def test_a_trainer_may_do_what_a_supervisor_may(shared: Served):
    with shared.client("trainer") as trainer:
        assert len(agents_of(trainer)) == 30
        audience = {"audience": {"agents": ["a01"]}}
        assert trainer.post("/api/messages/preview", json=audience).json()["recipients"] == 1
        sent = trainer.post("/api/messages", json=audience | {"body": "Hello", "request_id": "1"})
        assert sent.status_code == 201
        message_id = sent.json()["message_id"]
        assert message_id in [one["message_id"] for one in trainer.get("/api/messages").json()["messages"]]
        assert trainer.get(f"/api/messages/{message_id}/deliveries").json()["deliveries"][0]["agent_id"] == "a01"
        with listening(trainer) as frames:
            next_frame(frames, "agent", "message", "delivery")


# --- seats ---


def seats_of(served: Served, agent_id: str) -> list[str]:
    """What the log has about a seat, in order."""
    with served.client("supervisor") as sup:
        answer = sup.get("/api/log/audit.parquet")
    audit = pd.read_parquet(io.BytesIO(answer.content))
    mine = audit[(audit["subject"] == agent_id) & audit["action"].str.startswith("seat_")].sort_values("happened_at")
    return [f"{row.action} {row.actor}" for row in mine.itertuples()]


def test_a_seat_is_taken_a_message_read_and_the_seat_given_back(served: Served):
    with served.client("supervisor") as sup, listening(sup) as watching:
        next(watching)
        assert error(sup.get("/api/inbox?seat=a01")) == (403, "forbidden")
        assert error(sup.get("/api/inbox")) == (403, "forbidden")
        taken = sup.post("/api/seats/a01")
        assert taken.status_code == 200
        assert (taken.json()["agent_id"], taken.json()["holder"]) == ("a01", "supervisor")
        assert next(data for _, name, data in watching if name == "floor" and data["speed"] == 1)  # 60 may come before
        assert sup.post("/api/seats/a01").status_code == 200

        with listening(sup, params={"seat": "a01"}) as seat:
            until(lambda: agents_of(sup)["a01"]["connected"], "the seat's page being connected")
            state = sup.put("/api/agents/a01/state?seat=a01", json={"state": "logged_out"})
            assert state.json()["state"] == "logged_out"
            assert sup.put("/api/agents/a01/state?seat=a01", json={"state": "logged_in"}).status_code == 200
            assert error(sup.put("/api/agents/a02/state?seat=a01", json={"state": "break"})) == (404, "unknown_agent")
            assert error(sup.put("/api/agents/a02/state?seat=a02", json={"state": "break"})) == (403, "forbidden")
            sent = sup.post(
                "/api/messages",
                json={"audience": {"agents": ["a01"]}, "body": "For you", "request_id": "1", "ack_required": True},
            ).json()
            frame = next(data for _, name, data in seat if name == "message" and data["body"] == "For you")
            assert sup.post("/api/inbox/toasts?seat=a01", json={"message_ids": [sent["message_id"]]}).status_code == 204
            read = sup.post("/api/inbox/open?seat=a01", json={"through": frame["seq"]}).json()["read"]
            assert sent["message_id"] in read
            acked = sup.post("/api/inbox/ack?seat=a01", json={"message_id": sent["message_id"]})
            assert acked.status_code == 204
            (delivery,) = sup.get(f"/api/messages/{sent['message_id']}/deliveries").json()["deliveries"]
            assert delivery["status"] == "acknowledged"
            assert sup.put("/api/practice", json={"speed": 10}).status_code == 200
            assert next_frame(seat, "floor")[2]["speed"] in (1, 10)

            assert sup.delete("/api/seats/a01").status_code == 204
            assert next_frame(seat, "signed_out")
        row = agents_of(sup)["a01"]
        assert (row["connected"], row["state"]) == (True, "logged_in")
        assert sup.delete("/api/seats/a01").status_code == 204
        assert error(sup.get("/api/inbox?seat=a01")) == (403, "forbidden")
        assert sup.get("/api/events?seat=a01").status_code == 403
    assert seats_of(served, "a01") == ["seat_taken supervisor", "seat_given_back supervisor"]


def test_a_seat_belongs_to_one_person_who_may_have_several(served: Served):
    with served.client("supervisor") as sup, served.client("trainer") as trainer:
        assert {sup.post(f"/api/seats/{agent_id}").status_code for agent_id in ("a01", "a02")} == {200}
        answer = trainer.post("/api/seats/a01")
        assert error(answer) == (409, "seat_taken")
        assert "supervisor" in answer.json()["error"]["message"]
        assert error(trainer.delete("/api/seats/a01")) == (409, "seat_taken")
        assert error(trainer.get("/api/inbox?seat=a01")) == (403, "forbidden")
        assert error(trainer.put("/api/agents/a01/state?seat=a01", json={"state": "break"})) == (403, "forbidden")
        assert sup.get("/api/inbox?seat=a02").status_code == 200
        sup.delete("/api/seats/a01")
        assert trainer.post("/api/seats/a01").status_code == 200
        assert error(trainer.post("/api/seats/nobody")) == (404, "unknown_agent")


def test_a_seat_outside_ones_teams_is_as_unknown_as_one_that_is_not_there(served: Served):
    with served.client("supervisor") as sup:
        team_of = {agent_id: row["team"] for agent_id, row in agents_of(sup).items()}
    mine = team_of["a01"]
    other = next(agent_id for agent_id, team in team_of.items() if team != mine)
    add_account(served.data, "scoped", "supervisor", teams=[mine])
    with served.client("scoped") as scoped:
        assert scoped.post("/api/seats/a01").status_code == 200
        answers = [
            scoped.request(method, f"/api/seats/{name}") for method in ("POST", "DELETE") for name in (other, "x")
        ]
        assert {error(answer) for answer in answers} == {(404, "unknown_agent")}


def test_signing_out_gives_the_seats_back(served: Served):
    password = served.wait_for(r"\n  supervisor +(\S+)")[1]
    with served.browser("supervisor", password) as browser, served.client("trainer") as trainer:
        assert browser.post("/api/seats/a03").status_code == 200
        assert trainer.post("/api/seats/a03").status_code == 409
        browser.post("/logout")
        until(lambda: trainer.post("/api/seats/a03").status_code == 200, "the seat being free")
    assert seats_of(served, "a03") == ["seat_taken supervisor", "seat_given_back supervisor", "seat_taken trainer"]


async def test_a_seat_whose_page_has_gone_is_given_back(tmp_path: Path):
    options = Options(tmp_path / "practice", port=0, desk=False, practice=scenario(tmp_path))
    server = await Server.start(options)
    practice = server.site.practice
    assert practice is not None

    async def free(agent_id: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while agent_id in practice.seats:
                await asyncio.sleep(0.02)

    try:
        headers = {"Authorization": f"Bearer {make_token(options.data_dir, 'supervisor')}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=DEADLINE_S) as sup:
            assert (await sup.post("/api/seats/a01")).status_code == 200
            async with sup.stream("GET", "/api/events?seat=a01") as page:
                lines = page.aiter_lines()
                async for line in lines:
                    if line.startswith("event: heartbeat"):
                        break
                server.site.seats.patience = 0.3  # only now that the page is there: a busy machine may be late with it
                await sup.post("/api/seats/a02")
                await free("a02")  # its page never came; that of a01 is there all the time
                assert practice.seats == {"a01": "supervisor"}
            await free("a01")
            # The plan's agent is there again, and the closing page did not take it off the floor.
            async with asyncio.timeout(DEADLINE_S):
                while not (practice.host.floor.agents["a01"].connected and not practice.host.floor.agents["a01"].page):
                    await asyncio.sleep(0.02)
    finally:
        await server.stop()
    events = [event for event in practice.host.recent(0) or [] if getattr(event, "subject", None) == "a01"]
    assert [(event.action, event.actor) for event in events] == [
        ("seat_taken", "supervisor"),
        ("seat_given_back", "supervisor"),
    ]


# --- accounts and the start ---


def test_accounts_get_new_passwords_at_each_start_and_tokens_stay(tmp_path: Path):
    found, token = [], ""
    for _ in range(2):
        with practising(tmp_path) as served:
            passwords = {
                name: served.wait_for(rf"\n  {name} +(\S+)")[1]
                for name in ("supervisor", "trainer", "analyst", "admin")
            }
            start = served.get("/").text
            for name, password in passwords.items():
                assert password in start
                with served.browser(name, password) as client:
                    assert client.get("/api/me").json()["roles"] == [name]
            token = token or make_token(served.data, "analyst")
            headers = {"Authorization": f"Bearer {token}"}
            assert served.get("/api/me", headers=headers).json()["name"] == "analyst"
            found.append(passwords)
            with served.browser() as client:
                assert client.post("/enter", data={"name": "boss"}).status_code == 404
                assert client.post("/enter", data={"name": "supervisor", "next": "/"}).headers["Location"] == "/"
                page = client.get("/").text
                seat = re.search(r'href="/agent\?seat=(\w+)"', page)[1]
                assert agents_of(client)[seat]["state"] == "logged_in"
                assert client.get(f"/agent?seat={seat}").status_code == 200
                assert client.get("/agent").status_code == 403
    assert set(found[0].values()).isdisjoint(found[1].values())


def test_what_does_not_go_together_is_refused_in_a_sentence(tmp_path: Path):
    path = str(scenario(tmp_path))
    for arguments in (("--practice", path, "--roster", "x.csv"), ("--speed", "10"), ("--seed", "2")):
        run = cli("serve", "--port", "0", *arguments, data=tmp_path / "a")
        assert "practice" in failed(run, code=2)
    assert "speed" in failed(cli("serve", "--practice", path, "--speed", "0", "--port", "0", data=tmp_path / "b"))
    assert "no scenario" in failed(cli("serve", "--practice", str(tmp_path / "no"), "--port", "0", data=tmp_path / "c"))


def test_a_folder_of_another_kind_seed_or_scenario_is_refused(tmp_path: Path):
    with practising(tmp_path) as served:
        data = served.data
    path = scenario(tmp_path)
    other = tmp_path / "other.toml"
    other.write_text(SCENARIO.replace("A small day", "Another day"), encoding="utf-8")
    assert "seed 5" in failed(cli("serve", "--practice", str(path), "--seed", "6", "--port", "0", data=data))
    assert "small day" in failed(cli("serve", "--practice", str(other), "--seed", "5", "--port", "0", data=data))
    assert "practice floor" in failed(cli("serve", "--no-desk", "--port", "0", data=data))
    with serve(tmp_path / "live"):
        pass
    assert "live floor" in failed(cli("serve", "--practice", str(path), "--port", "0", data=tmp_path / "live"))


def test_a_practice_floor_takes_over_no_real_account(tmp_path: Path):
    add_account(tmp_path, "supervisor", "supervisor", teams=None)
    run = cli("serve", "--practice", str(scenario(tmp_path)), "--port", "0", data=tmp_path)
    assert "real account 'supervisor'" in failed(run)


# --- kill -9 ---


def test_killed_in_the_middle_of_the_day_it_goes_on_where_it_was(tmp_path: Path):
    with practising(tmp_path, "--speed", "600") as first, first.client("supervisor") as sup:
        for number in range(20):
            draft = {"audience": {"everyone": True}, "body": f"Number {number}", "request_id": str(number)}
            assert sup.post("/api/messages", json=draft).status_code == 201
        sup.post("/api/seats/a01")
        before = sup.get("/api/floor").json()
        first.kill()
    with practising(tmp_path, "--speed", "1") as second, second.client("supervisor") as sup:
        after = sup.get("/api/floor").json()
        assert after["day"] == before["day"]
        # Committed floor time only: what the clock had beyond the newest event is played again.
        assert after["as_of"] > before["as_of"]
        bodies = [message["body"] for message in sup.get("/api/messages").json()["messages"]]
        assert sorted(body for body in bodies if body.startswith("Number")) == sorted(f"Number {n}" for n in range(20))
        again = sup.post("/api/messages", json={"audience": {"everyone": True}, "body": "Number 3", "request_id": "3"})
        assert again.status_code == 201
        assert len(sup.get("/api/messages").json()["messages"]) == len(bodies)
        # Nobody sits any more: the plan plays the agent again, and the day goes on.
        assert error(sup.get("/api/inbox?seat=a01")) == (403, "forbidden")
        assert agents_of(sup)["a01"]["connected"]
        sup.put("/api/practice", json={"speed": 600})
        until(lambda: sup.get("/api/floor").json()["as_of"] > after["as_of"] + 20, "the day going on")
        assert sup.get("/api/floor").json()["faults"] == []


# --- how long the loop was held up ---


async def test_the_longest_stall_of_the_last_minute_is_a_metric(tmp_path: Path):
    server = await Server.start(Options(tmp_path, port=0, desk=False))
    try:
        stalls = server.site.stalls
        await asyncio.sleep(2 * LOOK_S)
        time.sleep(0.3)  # holds the loop up, on purpose
        async with asyncio.timeout(DEADLINE_S):
            while stalls.longest < 0.2:
                await asyncio.sleep(LOOK_S)
        async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
            text = (await client.get(server.url + "/metrics")).text
        (seen,) = re.findall(r"(?m)^coachsim_loop_stall_seconds_max (\S+)", text)
        assert 0.2 < float(seen) < 20
    finally:
        await server.stop()
