"""One contract for every FloorClient: the local and the remote one, on the same kind of floor, answer alike."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from coachsim.client import LocalClient
from coachsim.days import HOUR, to_iso
from coachsim.errors import (
    AudienceChanged,
    ConditionMet,
    EmptyAudience,
    InactiveAgent,
    InvalidInput,
    NotFound,
    RequestReused,
    TemplateChanged,
    TemplateFault,
    TooLate,
    UnknownAgent,
    UnknownGroup,
    UnknownMessage,
    UnknownSchedule,
    UnknownTemplate,
)
from coachsim.floor import Floor
from coachsim.models import Agent, AgentState
from coachsim.remote import RemoteClient
from coachsim.server.accounts import Account
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.server.test_practice_api import SCENARIO
from tests.serving import DEADLINE_S
from tests.unit.floors import AGENTS

BLUE = frozenset({"Blue"})


class Rig:
    """A floor with a supervisor of all teams and one of Blue, asked through one kind of client."""

    def __init__(self, server: Server, kind: str) -> None:
        self.server = server
        self.host = server.site.host
        self.kind = kind
        self.everything = self._client("sup", None)
        self.blue = self._client("blue", BLUE)

    def _client(self, name, scope):
        site = self.server.site
        account = site.accounts.add(Account(name, frozenset({"supervisor"}), scope), None, actor="test")
        if self.kind == "local":
            return LocalClient(self.host, actor=name, scope=scope, roles=("supervisor",))
        return RemoteClient(self.server.url, token=site.sessions.new_token(account, actor="test"))

    async def agent(self, agent_id, *commands):
        for command, *args in commands:
            await self.host.do(command, agent_id, *args, actor=agent_id)

    async def log_in(self, agent_id):
        await self.agent(agent_id, (Floor.connect,), (Floor.set_state, AgentState.LOGGED_IN))


@pytest.fixture(params=["local", "remote"])
async def rig(request, tmp_path):
    server = await Server.start(Options(tmp_path, port=0, desk=False))
    await server.site.host.do(Floor.set_agents, AGENTS, actor="admin")
    rig = Rig(server, request.param)
    yield rig
    await rig.everything.close()
    await rig.blue.close()
    await server.stop()


def names(answer):
    return [agent["agent_id"] for agent in answer["agents"]]


async def test_who_am_i_and_where(rig):
    me = await rig.blue.me()
    assert me == {"name": "blue", "roles": ["supervisor"], "teams": ["Blue"], "agent_id": None, "mode": "live"}
    assert (await rig.everything.me())["teams"] == "all"
    floor = await rig.everything.floor()
    assert floor["counts"] == {"logged_in": 0, "break": 0, "logged_out": 4}
    assert (await rig.blue.floor())["counts"]["logged_out"] == 2
    assert floor["mode"] == "live" and floor["faults"] == [] and floor["now"].endswith("Z")


async def test_agents_are_the_active_ones_in_scope_that_match(rig):
    assert names(await rig.everything.agents()) == ["a1", "a2", "a3", "a4"]
    assert names(await rig.blue.agents()) == ["a1", "a2"]
    assert names(await rig.everything.agents(campaign=["Spring"], team=["Blue", "Green"])) == ["a1", "a3"]
    assert names(await rig.everything.agents(q="  cY ")) == ["a3"]
    await rig.log_in("a2")
    assert names(await rig.everything.agents(state=["logged_in"])) == ["a2"]
    (row,) = (await rig.everything.agents(queue=["Sales"], state=["logged_in"]))["agents"]
    assert (row["state"], row["connected"], row["unread"], row["queues"]) == ("logged_in", True, 0, ["Sales", "Care"])


async def test_advice_says_what_to_expect_of_those_who_are_there_and_sends_nothing(rig):
    await rig.log_in("a1")
    before = rig.host.seq
    said = await rig.everything.advice({"filter": {"team": ["Blue", "Green"]}}, priority="urgent")
    assert rig.host.seq == before
    assert said["now"]["logged_in"] == 1
    assert 0 < said["now"]["read_rate"] <= 0.25
    assert (said["better"], said["past_days"]) == (None, 0)
    assert [one["name"] for one in said["in_before"]["hardly"]] == ["Bo", "Cy", "Di"]
    assert said["load"] == {"least": 0, "median": 0, "most": 0, "level": 22, "over": 0}
    assert [one["name"] for one in (await rig.blue.advice({"everyone": True}))["in_before"]["hardly"]] == ["Bo"]
    with pytest.raises(UnknownAgent):
        await rig.blue.advice({"agents": ["a3"]})
    with pytest.raises(InvalidInput, match="passed already"):
        await rig.everything.advice({"everyone": True}, by=to_iso(rig.host.now() - HOUR))


async def test_a_preview_says_who_and_sends_nothing(rig):
    await rig.log_in("a1")
    await rig.agent("a2", (Floor.set_state, AgentState.LOGGED_IN))
    preview = await rig.everything.preview({"filter": {"team": ["Blue", "Green"]}})
    assert preview["recipients"] == 4
    assert preview["by_state"] == {"logged_in": 2, "break": 0, "logged_out": 2}
    assert preview["logged_in_connected"] == 1
    assert preview["audience_text"] == "Team: Blue, Green"
    assert [one["name"] for one in preview["names"]] == ["Ann", "Bo", "Cy", "Di"]
    assert (await rig.everything.messages())["messages"] == []
    assert (await rig.blue.preview({"everyone": True}))["recipients"] == 2
    assert (await rig.everything.preview({"agents": ["a1"]}))["audience_text"] == "Ann"


async def test_a_send_is_seen_by_whoever_may_and_only_their_part(rig):
    await rig.log_in("a1")
    sent = await rig.everything.send({"agents": ["a1", "a3"]}, "Hello\nthere", request_id="one", ack_required=True)
    assert sent["recipients"] == 2 and sent["by_state"] == {"logged_in": 1, "break": 0, "logged_out": 1}
    await rig.agent("a1", (Floor.open_inbox,))
    (whole,) = (await rig.everything.messages())["messages"]
    assert whole["by_status"] == {"waiting": 1, "notified": 0, "read": 1, "acknowledged": 0, "lost": 0}
    assert whole["by_milestone"] == {"notified": 1, "read": 1, "acknowledged": 0}
    assert (whole["audience_text"], whole["sender"], whole["body"]) == ("2 agents", "sup", "Hello\nthere")
    (part,) = (await rig.blue.messages())["messages"]
    assert (part["recipients"], part["audience_text"], part["audience"]) == (1, "Ann", {"agents": ["a1"]})
    assert len((await rig.everything.deliveries(sent["message_id"]))["deliveries"]) == 2
    (only,) = (await rig.blue.deliveries(sent["message_id"]))["deliveries"]
    assert (only["agent_id"], only["status"], only["name"]) == ("a1", "read", "Ann")
    await rig.everything.send({"agents": ["a3"]}, "Green only", request_id="two")
    assert len((await rig.blue.messages())["messages"]) == 1


async def test_a_reminder_goes_to_those_who_have_not_read_it(rig):
    await rig.log_in("a1")
    chase = {"after_min": 10, "times": 2}
    first = await rig.everything.send({"agents": ["a1", "a2", "a3"]}, "Hello", request_id="one", chase=chase)
    await rig.agent("a1", (Floor.open_inbox,))
    unread = {"unread_of": first["message_id"]}
    preview = await rig.everything.preview(unread)
    assert (preview["recipients"], preview["audience_text"]) == (2, "2 who had not read it")
    assert [one["agent_id"] for one in (await rig.blue.preview(unread))["names"]] == ["a2"]
    digest = preview["recipients_digest"]
    again = await rig.everything.send(unread, "Please read it", request_id="two", recipients_digest=digest)
    assert again["recipients"] == 2
    reminder, original = (await rig.everything.messages())["messages"]
    assert (reminder["reminds"], reminder["chase"], reminder["audience"]) == (first["message_id"], None, unread)
    assert (original["reminds"], original["chase"]) == (None, chase)
    (part, _) = (await rig.blue.messages())["messages"]
    assert (part["recipients"], part["audience_text"]) == (1, "1 who had not read it")


async def test_a_message_says_until_when_to_confirm_it(rig):
    by = (await rig.everything.floor())["next_clear_down"]
    await rig.everything.send({"agents": ["a1"]}, "Confirm", request_id="one", ack_required=True, ack_by=by)
    (message,) = (await rig.everything.messages())["messages"]
    assert message["ack_by"] == by
    with pytest.raises(InvalidInput):
        await rig.everything.send({"agents": ["a1"]}, "Confirm", request_id="two", ack_by=by)


async def test_a_template_is_filled_in_for_whoever_it_is_for(rig):
    client = rig.everything
    text = "{{note}} {name} of {team}, it is {time}."
    body = (await client.preview({"agents": ["a1"]}, template=text))["body"]
    assert re.fullmatch(r"\{note\} Ann of Blue, it is \d\d:\d\d\.", body)
    floor = await client.floor()
    zone, now = ZoneInfo(floor["time_zone"]), datetime.fromisoformat(floor["now"])
    assert body[-6:-1] in {(now - timedelta(minutes=gone)).astimezone(zone).strftime("%H:%M") for gone in (0, 1)}
    assert (await client.preview({"filter": {"team": ["Green"]}}, template="All of {team}"))["body"] == "All of Green"
    assert "body" not in await client.preview({"agents": ["a1"]})
    for audience, wrong in (
        ({"agents": ["a1", "a2"]}, "{name}"),
        ({"agents": ["a1", "a3"]}, "{team}"),
        ({"agents": ["a1"]}, "{agent}"),
        ({"agents": ["a1"]}, "{"),
    ):
        with pytest.raises(TemplateFault) as refused:
            await client.preview(audience, template=wrong)
        assert refused.value.field == "template" and refused.value.message.endswith(".")
    assert (await client.messages())["messages"] == []


async def test_templates_are_kept_with_every_version(rig):
    client = rig.everything
    first = await client.new_template(" Morning\nbriefing ", " Good morning, {team}! ")
    assert (first["title"], first["body"], first["placeholders"]) == (
        "Morning briefing",
        "Good morning, {team}!",
        ["team"],
    )
    assert (first["owner"], first["version"], first["shared"], first["hidden"]) == ("sup", 1, False, False)
    number = first["template_id"]
    changed = await client.change_template(number, "Briefing", "Good morning!", shared=True, version=1)
    assert [(one["version"], one["title"]) for one in changed["versions"]] == [(2, "Briefing"), (1, "Morning briefing")]
    same = await client.change_template(number, "Briefing", "Good morning!", shared=True, version=2)
    assert same["version"] == 2
    with pytest.raises(TemplateChanged, match="sup has changed"):
        await client.change_template(number, "Late", "Late", shared=True, version=1)
    await client.delete_template(number)
    await client.delete_template(number)
    assert (await client.templates())["templates"] == []
    (hidden,) = (await client.templates(hidden=True))["templates"]
    assert (hidden["template_id"], hidden["version"], hidden["hidden"]) == (number, 3, True)
    old = (await client.template(number))["versions"][-1]
    back = await client.change_template(number, old["title"], old["body"], shared=True, version=3)
    assert (back["title"], back["hidden"], back["version"], len(back["versions"])) == ("Morning briefing", False, 4, 4)
    for refusal, arguments in (
        (TemplateFault, ("New", "{nam}")),
        (InvalidInput, (" ", "x")),
        (InvalidInput, ("x", " ")),
    ):
        with pytest.raises(refusal):
            await client.new_template(*arguments)
    for ask in (client.template(99), client.delete_template(99)):
        with pytest.raises(UnknownTemplate):
            await ask
    assert len((await client.templates())["templates"]) == 1


async def test_the_last_ten_different_texts_are_at_hand_of_earlier_days_too(rig):
    assert (await rig.everything.recent())["texts"] == []
    for n in range(4):
        await rig.everything.send({"agents": ["a1"]}, f"Text {n}", request_id=f"one {n}")
    await rig.blue.send({"agents": ["a1"]}, "Another's", request_id="other")
    host = rig.host
    await host.settled()
    host._put(host._ahead.tick(host.floor.day.ends_at))
    await host.settled()
    for n in (*range(4, 11), 2):
        await rig.everything.send({"agents": ["a1"]}, f"Text {n}", request_id=f"two {n}")
    told = await rig.everything.recent()
    assert [one["body"] for one in told["texts"]] == [f"Text {n}" for n in (2, 10, 9, 8, 7, 6, 5, 4, 3, 1)]
    times = [one["sent_at"] for one in told["texts"]]
    assert times == sorted(times, reverse=True) and told["as_of"] == host.seq
    assert [one["body"] for one in (await rig.blue.recent())["texts"]] == ["Another's"]


async def test_the_same_request_sends_once(rig):
    first = await rig.everything.send({"everyone": True}, "Hello", request_id="one")
    again = await rig.everything.send({"everyone": True}, "Hello", request_id="one")
    assert again["message_id"] == first["message_id"] and again["recipients"] == first["recipients"]
    assert len((await rig.everything.messages())["messages"]) == 1
    with pytest.raises(RequestReused):
        await rig.everything.send({"everyone": True}, "Other", request_id="one")


async def test_an_audience_that_changed_is_not_sent_to(rig):
    preview = await rig.everything.preview({"filter": {"team": ["Blue"]}})
    await rig.host.do(Floor.set_agents, [Agent("b1", "New", "Blue")], actor="admin")
    with pytest.raises(AudienceChanged):
        await rig.everything.send(
            {"filter": {"team": ["Blue"]}}, "x", request_id="one", recipients_digest=preview["recipients_digest"]
        )
    assert (await rig.everything.messages())["messages"] == []


@pytest.mark.parametrize(
    ("audience", "body", "error", "field"),
    [
        ({"agents": ["a1"]}, "  ", InvalidInput, "body"),
        ({"agents": ["a1"]}, "x" * 1001, InvalidInput, "body"),
        ({"agents": ["a1"]}, "bell\a!", InvalidInput, "body"),
        ({"agents": []}, "x", InvalidInput, "audience"),
        ({"filter": {}}, "x", InvalidInput, "audience"),
        ({"agents": ["nobody"]}, "x", UnknownAgent, "audience"),
        ({"agents": ["a3"]}, "x", UnknownAgent, "audience"),
        ({"agents": ["a9"]}, "x", UnknownAgent, "audience"),
        ({"filter": {"team": ["Green"]}}, "x", UnknownGroup, "audience"),
        ({"filter": {"queue": ["Nope"]}}, "x", UnknownGroup, "audience"),
        ({"filter": {"state": ["break"]}}, "x", EmptyAudience, "audience"),
    ],
)
async def test_bad_input_gets_the_same_sentence(rig, audience, body, error, field):
    with pytest.raises(error) as refused:
        await rig.blue.send(audience, body, request_id="one")
    assert refused.value.field == field and refused.value.message.endswith(".")
    assert (await rig.everything.messages())["messages"] == []


async def test_a_scheduled_message_is_its_senders_and_theirs_who_see_all_teams(rig):
    tomorrow = to_iso(rig.host.now() + 24 * HOUR)
    own = await rig.blue.schedule({"everyone": True}, "Later", {"at": tomorrow}, request_id="one", ack_required=True)
    assert (own["status"], own["sender"], own["when"], own["audience_text"]) == (
        "scheduled",
        "blue",
        {"at": tomorrow},
        "everyone",
    )
    again = await rig.blue.schedule({"everyone": True}, "Later", {"at": tomorrow}, request_id="one", ack_required=True)
    assert again["schedule_id"] == own["schedule_id"]
    other = await rig.everything.schedule({"agents": ["a1"]}, "Soon", {"logged_in_share": 1.0}, request_id="one")
    assert other["audience_text"] == "Ann" and other["when"].keys() == {"logged_in_share", "not_after"}
    assert [one["sender"] for one in (await rig.everything.schedules())["schedules"]] == ["sup", "blue"]
    assert [one["sender"] for one in (await rig.blue.schedules())["schedules"]] == ["blue"]
    with pytest.raises(UnknownSchedule):
        await rig.blue.withdraw(other["schedule_id"])
    assert (await rig.everything.withdraw(own["schedule_id"]))["status"] == "withdrawn"
    await rig.log_in("a1")
    (released,) = [one for one in (await rig.everything.schedules())["schedules"] if one["status"] == "released"]
    (message,) = (await rig.everything.messages())["messages"]
    assert (released["message_id"], message["body"]) == (message["message_id"], "Soon")
    with pytest.raises(TooLate):
        await rig.everything.withdraw(other["schedule_id"])
    for when, error in (({"at": "soon"}, InvalidInput), ({"logged_in_share": 0.1}, ConditionMet)):
        with pytest.raises(error):
            await rig.everything.schedule({"agents": ["a1"]}, "x", when, request_id="two")


async def test_what_becomes_of_a_scheduled_message_is_told_to_whoever_may_see_it(rig):
    seen, other = [], []
    names = ("scheduled", "released", "withdrawn")
    async with asyncio.TaskGroup() as group:
        group.create_task(collect(rig.blue, rig.host.seq, lambda seen: seen[-1][1] == "withdrawn", seen))
        group.create_task(collect(rig.everything, rig.host.seq, lambda seen: seen[-1][1] == "withdrawn", other))
        await until_listening(seen, other)
        await rig.everything.schedule({"agents": ["a1"]}, "Hers", {"logged_in_share": 1.0}, request_id="one")
        own = await rig.blue.schedule({"agents": ["a2"]}, "Own", {"logged_in_share": 1.0}, request_id="two")
        await rig.log_in("a1")
        await rig.blue.withdraw(own["schedule_id"])
    assert [(name, data["sender"]) for _, name, data in other if name in names] == [
        ("scheduled", "sup"),
        ("scheduled", "blue"),
        ("released", "sup"),
        ("withdrawn", "blue"),
    ]
    assert [(name, data["body"]) for _, name, data in seen if name in names] == [
        ("scheduled", "Own"),
        ("withdrawn", "Own"),
    ]
    ((message, released),) = [(one, after) for one, after in pairwise(other) if after[1] == "released"]
    assert message[:2] == (released[0], "message"), "the message comes first, and is of the same event"


async def until_listening(*streams):
    """Waits until each has heard something: from then on it misses nothing."""
    async with asyncio.timeout(DEADLINE_S):
        while not all(streams):
            await asyncio.sleep(0.01)


async def test_more_bad_input(rig):
    with pytest.raises(InactiveAgent):
        await rig.everything.send({"agents": ["a9"]}, "x", request_id="one")
    for values in ({"priority": "high"}, {"expires_at": "soon"}, {"expires_at": "2020-01-01T00:00:00Z"}):
        with pytest.raises(InvalidInput):
            await rig.everything.send({"agents": ["a1"]}, "x", request_id="one", **values)
    with pytest.raises(UnknownMessage):
        await rig.everything.deliveries(17)
    with pytest.raises(InvalidInput):
        await rig.everything.messages("yesterday")
    assert (await rig.everything.messages("2020-01-01"))["messages"] == []


async def collect(client, after, until, seen):
    async with aclosing(client.events(after)) as events:
        async for event_id, name, data in events:
            seen.append((event_id, name, data))
            if until(seen):
                return


async def test_what_happens_is_told_in_scope_and_in_order(rig):
    as_of = (await rig.everything.agents())["as_of"]
    whole, part = [], []
    listening = [
        asyncio.create_task(collect(rig.everything, as_of, lambda seen: seen[-1][1] == "cleared", whole)),
        asyncio.create_task(collect(rig.blue, as_of, lambda seen: seen[-1][1] == "cleared", part)),
    ]
    while not (whole and part):
        await asyncio.sleep(0.01)
    await rig.log_in("a1")
    sent = await rig.everything.send({"agents": ["a1", "a3"]}, "Hello", request_id="one")
    await rig.everything.send({"agents": ["a4"]}, "Green", request_id="two")
    await rig.agent("a3", (Floor.set_state, AgentState.LOGGED_IN))
    await rig.agent("a1", (Floor.show_toasts, [sent["message_id"]]), (Floor.open_inbox,))
    await rig.agent("a3", (Floor.open_inbox,))
    await rig.host.clear_down(actor="admin")
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*listening)

    def told(seen):
        return [(name, data.get("agent_id", data.get("recipients"))) for _, name, data in seen if name != "heartbeat"]

    assert told(part) == [
        ("agent", "a1"),
        ("agent", "a1"),
        ("message", 1),
        ("delivery", "a1"),
        ("delivery", "a1"),
        ("cleared", None),
    ]
    assert told(whole) == [
        ("agent", "a1"),
        ("agent", "a1"),
        ("message", 2),
        ("message", 1),
        ("agent", "a3"),
        ("delivery", "a1"),
        ("delivery", "a1"),
        ("delivery", "a3"),
        ("cleared", None),
    ]
    ids = [event_id for event_id, *_ in whole]
    assert ids == sorted(ids)
    (message,) = [data for _, name, data in part if name == "message"]
    assert (message["agent_ids"], message["by_milestone"]["notified"]) == (["a1"], 1)
    toast, read = [data for _, name, data in part if name == "delivery"]
    assert "toast_at" in toast and "notified_at" not in toast
    assert "read_at" in read and "notified_at" not in read
    (first_read,) = [data for _, name, data in whole if name == "delivery" and data["agent_id"] == "a3"]
    assert first_read["read_at"] == first_read["notified_at"]


async def test_who_was_away_is_told_to_fetch_afresh(rig):
    as_of = (await rig.everything.agents())["as_of"]
    await rig.log_in("a1")
    seen = []
    async with asyncio.timeout(DEADLINE_S):
        await collect(rig.everything, as_of, lambda seen: seen[-1][1] == "reset", seen)
    assert [name for _, name, _ in seen] == ["heartbeat", "reset"]


async def test_an_earlier_day_can_still_be_looked_at(rig):
    sent = await rig.everything.send({"agents": ["a1", "a3"]}, "Hello", request_id="one")
    day = rig.host.floor.day
    host = rig.host
    await host.settled()
    host._put(host._ahead.tick(day.ends_at))
    await host.settled()
    assert (await rig.everything.messages())["messages"] == []
    (message,) = (await rig.everything.messages(day.day))["messages"]
    assert message["message_id"] == sent["message_id"]
    assert message["by_status"]["lost"] == 2
    (part,) = (await rig.blue.messages(day.day))["messages"]
    assert part["recipients"] == 1
    (row,) = (await rig.blue.deliveries(sent["message_id"]))["deliveries"]
    assert (row["agent_id"], row["status"]) == ("a1", "lost") and row["lost_at"] == row["cleared_at"]


async def test_a_live_floor_has_no_pace_to_set(rig):
    with pytest.raises(NotFound, match="live"):
        await rig.everything.practice(speed=10)


async def test_the_pace_of_a_practice_floor_is_set_and_told_alike(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    server = await Server.start(Options(tmp_path / "practice", port=0, desk=False, practice=path))
    site = server.site
    local = LocalClient(site.host, practice=site.practice, actor="trainer", roles=("trainer",))
    remote = RemoteClient(server.url, token=site.sessions.new_token(site.accounts.known("trainer"), actor="test"))
    try:
        for client in (local, remote):
            assert (await client.me())["mode"] == "practice"
            async with asyncio.timeout(DEADLINE_S), aclosing(client.events(0)) as events:
                assert (await anext(events))[1] == "heartbeat"
                answer = await client.practice(speed=10, paused=True)
                assert answer.keys() == {"now", "speed", "paused", "faults", "as_of"}
                assert (answer["speed"], answer["paused"]) == (10, True)
                told = await anext(data async for _, name, data in events if name == "floor" and data["paused"])
                assert told == {key: answer[key] for key in ("now", "speed", "paused", "faults")}
                assert (await client.practice(paused=False))["speed"] == 10
            with pytest.raises(InvalidInput, match="speed"):
                await client.practice(speed=0)
    finally:
        await remote.close()
        await server.stop()
