"""What has to be so after every fault: nothing lost or twice, the floor a replay of its log, every page up to date."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from coachsim import views
from coachsim.events import Acknowledged, ClearedDown, DayBegan, Event, Expired, Read, Sent, StateChanged
from coachsim.log import LogWriter
from coachsim.log.records import SELECT, from_row
from coachsim.models import AgentState
from coachsim.state import FloorState
from tests.faults.ledger import Ledger, Sending
from tests.faults.pages import as_listed
from tests.faults.site import SENDERS, Site
from tests.serving import until

_DELIVERIES_OF = 20  # messages whose every delivery is asked for, the newest ones
_PATIENCE_S = 60.0
_AGAIN = 5  # requests of each sender that are made once more


@dataclass(slots=True)
class Findings:
    """What was looked at and what was found, in counts; ``words`` says what was wrong."""

    looks: int = 0
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    replays: int = 0
    pages: int = 0
    pages_current: int = 0
    words: list[str] = field(default_factory=list)


@dataclass(slots=True)
class History:
    """All of a log's events, and the floor that they make, worked out anew from the first one on."""

    events: list[Event]
    floor: FloorState
    states: list[str]  # what differs between this and the log's own tables


def look(site: Site, findings: Findings) -> None:
    """Compares everything, while the load pauses, and adds what it finds."""
    history = _history(site, findings)
    findings.looks += 1
    findings.acknowledged = site.load.ledger.acknowledged
    _lost_or_twice(site.load.ledger, history, findings)
    _asked_again(site, history, findings)
    findings.twice += _told(findings, "a page was told twice", sum(page.twice for page in site.load.pages.values()))
    for page in site.load.pages.values():
        page.twice = 0
    _told(findings, "refused without a reason", len(site.load.ledger.wrong), site.load.ledger.wrong)
    site.load.ledger.wrong.clear()


def _told(findings: Findings, what: str, count: int, examples: object = "") -> int:
    if count:
        findings.words.append(f"{what}: {count} {examples}".strip())
    return count


# --- the floor, its log and the pages, all as of one event ---


def _history(site: Site, findings: Findings) -> History:
    """Compares what the server shows with a replay of its log, as soon as both are as of the same event."""
    copy = site.folder / "copy.duckdb"
    patience = time.monotonic() + _PATIENCE_S
    with httpx.Client(
        base_url=site.served.url, headers={"Authorization": f"Bearer {site.tokens[SENDERS[0]]}"}, timeout=60
    ) as client:

        def at_one_moment() -> History | None:
            before = client.get("/api/floor").json()["as_of"]
            copy.unlink(missing_ok=True)
            site.local().post("/api/backup", json={"path": str(copy)})
            history = _replayed(copy)
            differs = _differences(client, site, history)
            behind = _pages_behind(site, history)
            if client.get("/api/floor").json()["as_of"] != before or history.floor.seq != before:
                return None  # a page came or went meanwhile, or a message expired
            if behind and time.monotonic() < patience:
                return None  # what happened last may still be on its way to the pages
            findings.replays += not _told(findings, "the floor is no replay of its log", len(differs), differs[:3])
            findings.pages += len(site.load.pages)
            findings.pages_current += len(site.load.pages) - _told(
                findings, "pages that are not up to date", len(behind), behind[:3]
            )
            return history

        history: History = until(at_one_moment, "the floor stands still for a moment")
    copy.unlink()
    return history


def _replayed(copy: Path) -> History:
    with LogWriter.open(copy) as writer:
        cursor = writer.cursor()
        events = [from_row(row) for row in cursor.execute(f"SELECT {SELECT} FROM events ORDER BY seq").fetchall()]
        count = cursor.execute("SELECT count(*), count(DISTINCT (message_id, agent_id)) FROM deliveries").fetchone()
        read = cursor.execute("SELECT count(read_at) FROM deliveries").fetchone()
    floor = FloorState()
    for event in events:
        floor.apply(event)
    expected = sum(len(event.agent_ids) for event in events if isinstance(event, Sent))
    read_events = sum(len(event.message_ids) for event in events if isinstance(event, Read))
    differs = []
    if count != (expected, expected) or read != (read_events,):
        differs.append(f"{count} deliveries, {read} read in the log's tables, {expected}, {read_events} in its events")
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        differs.append("the numbers of the events have gaps")
    return History(events, floor, differs)


def _differences(client: httpx.Client, site: Site, history: History) -> list[str]:
    floor = history.floor
    found = list(history.states)
    shown = client.get("/api/agents").json()["agents"]
    found += [
        f"{one['agent_id']}: {one} is {mine}"
        for one, mine in zip(shown, views.agents(floor, None), strict=True)  # type: ignore[arg-type]
        if one != mine
    ]
    messages = client.get("/api/messages").json()["messages"]
    mine = views.messages(floor, None)  # type: ignore[arg-type]
    if messages != mine:
        found.append(f"messages: {len(messages)} shown, {len(mine)} in the replay, or their counts differ")
    for message in mine[:_DELIVERIES_OF]:
        message_id = message["message_id"]
        answer = client.get(f"/api/messages/{message_id}/deliveries").json()["deliveries"]
        if answer != views.deliveries(floor, message_id, None):  # type: ignore[arg-type]
            found.append(f"the deliveries of {message_id}")
    assert floor.day is not None
    if client.get("/api/floor").json()["day"] != floor.day.day:
        found.append(f"the day, {floor.day.day} in the replay")
    return found


def _pages_behind(site: Site, history: History) -> list[str]:
    behind = []
    for agent_id, page in site.load.pages.items():
        listed = site.load.run(page.fetch())
        if as_listed(listed) != as_listed(views.inbox(history.floor, agent_id)):  # type: ignore[arg-type]
            behind.append(f"{agent_id}: the server's list differs from the replay")
        elif page.shows() != as_listed(listed):
            behind.append(f"{agent_id}: {page.state}, {len(page.messages)} of {len(listed['messages'])} messages")
    return behind


# --- what was acknowledged, in the log ---


def _lost_or_twice(ledger: Ledger, history: History, findings: Findings) -> None:
    sent = [event for event in history.events if isinstance(event, Sent)]
    by_request = Counter((event.actor, event.message.request_id) for event in sent)
    by_id = {event.message.message_id: event for event in sent}
    reads = Counter(
        (event.agent_id, mid) for event in history.events if isinstance(event, Read) for mid in event.message_ids
    )
    confirmed = Counter(
        (event.agent_id, event.message_id) for event in history.events if isinstance(event, Acknowledged)
    )
    lost = [
        f"{one.request_id} of {one.sender}"
        for one in ledger.sendings.values()
        if one.message_id is not None and not _is(one, by_id.get(one.message_id))
    ]
    lost += [f"{agent_id} had read {mid}" for agent_id, mid in ledger.read if not reads[agent_id, mid]]
    lost += [f"{agent_id} had confirmed {mid}" for agent_id, mid in ledger.confirmed if not confirmed[agent_id, mid]]
    lost += _states_lost(ledger, history.events)
    lost += _unread_again(ledger, history.events, set(reads))
    findings.lost += _told(findings, "lost", len(lost), lost[:3])
    twice = [f"{key}" for counts in (by_request, reads, confirmed) for key, count in counts.items() if count > 1]
    twice += [f"{message_id}" for message_id, count in Counter(e.message.message_id for e in sent).items() if count > 1]
    findings.twice += _told(findings, "twice", len(twice), twice[:3])


def _is(sending: Sending, event: Sent | None) -> bool:
    if event is None:
        return False
    message = event.message
    found = (message.request_id, message.sender, message.body, len(event.agent_ids))
    return found == (sending.request_id, sending.sender, sending.body, sending.recipients)


def _states_lost(ledger: Ledger, events: list[Event]) -> list[str]:
    changes: dict[str, list[StateChanged]] = {}
    for event in events:
        if isinstance(event, StateChanged):
            changes.setdefault(event.agent_id, []).append(event)
    lost = []
    for agent_id, state, as_of in ledger.states:
        before = [event.state for event in changes.get(agent_id, []) if event.seq <= as_of]
        if (before[-1] if before else AgentState.LOGGED_OUT) is not AgentState(state):
            lost.append(f"{agent_id} was {state} as of {as_of}")
    return lost


def _unread_again(ledger: Ledger, events: list[Event], reads: set[tuple[str, int]]) -> list[str]:
    """What was in a list that is read through a later event, said the server, and is neither read nor lost itself."""
    closed = reads | {
        (agent_id, event.message_id) for event in events if isinstance(event, Expired) for agent_id in event.lost
    }
    nights = [event.seq for event in events if isinstance(event, ClearedDown)]
    lost = []
    for event in events:
        for agent_id in event.agent_ids if isinstance(event, Sent) else ():
            assert isinstance(event, Sent)
            if (agent_id, event.message.message_id) in closed:
                continue
            # The first time that it was read through. A night between the send and that answer may have come first.
            through, as_of = next((one for one in ledger.read_through.get(agent_id, ()) if one[0] >= event.seq), (0, 0))
            if through and not any(event.seq < night <= as_of for night in nights):
                lost.append(f"{agent_id} had read {event.message.message_id} and all before {through}")
    return lost


def _asked_again(site: Site, history: History, findings: Findings) -> None:
    """The day's requests made once more are answered as before and send nothing."""
    began = max(event.seq for event in history.events if isinstance(event, DayBegan))
    today = {event.message.message_id for event in history.events if isinstance(event, Sent) and event.seq > began}
    for sender in SENDERS:
        mine = [one for one in site.load.ledger.sendings.values() if one.sender == sender]
        for one in [one for one in mine if one.message_id in today][-_AGAIN:]:
            answer = site.load.send_again(one)
            if answer is None or answer["message_id"] != one.message_id:
                findings.twice += _told(findings, f"{one.request_id} of {sender} asked again", 1, answer)
