"""What the message log page says of some days and teams of a log: cards, messages, charts, files. No widgets.

Every number here comes from ``coachsim.analysis``, or is counted in the log's database as its functions count. Call
these in a thread; an answer is worked out once and kept.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coachsim.errors import InvalidInput
from coachsim.models import Audience
from coachsim.pages.message_log_source import Index
from coachsim.wording import filter_text

if TYPE_CHECKING:
    from coachsim.log import MessageLog

Json = dict[str, Any]
TABS = ("rates", "reading", "activity")
WHATS = ("unread", "lost")
GROUPS = ("all", "state_at_send", "priority", "team")
SINCE = ("sent", "notified")
SPANS = {"15 minutes": 900, "hour": 3_600, "4 hours": 14_400, "day": 86_400}
MOST_MESSAGES = 200
"""How many messages the page lists; the least read come first, and the file has all."""
MOST_ROWS = 500_000
"""How many deliveries a file made on the page may have: they go through the browser's memory."""
_BEGINNING = 160
_MESSAGE_MIN = (5, 15, 30, 60, 120, 240, 480, 720)
"""How far a message's curve is drawn: the first of these minutes by which all had read it who did."""
_NONE = "–"


@dataclass(frozen=True, slots=True)
class View:
    """Which charts are shown, and how."""

    tab: str = "rates"
    what: str = "unread"
    by: str = "all"
    since: str = "sent"
    span: str = "hour"
    dark: bool = False


class Answers:
    """What ``log`` has of the days from ``first`` to ``last`` for ``teams`` (None = all that may be seen)."""

    def __init__(self, log: MessageLog, index: Index, first: str, last: str, teams: tuple[str, ...] | None) -> None:
        self._log = log
        self._index = index
        self._first, self._last = first, last
        self._teams = None if teams is None else list(teams)
        self._days = index.between(first, last)
        self._kept: dict[tuple[Any, ...], Any] = {}

    @property
    def _only(self) -> Json:
        return {"days": self._days, "teams": self._teams}

    def _once(self, *key: Any, ask: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = ask()
        return self._kept[key]

    # --- the cards ---

    def summary(self) -> Json:
        """The four cards, what is shown, and a sentence where there is nothing."""
        from coachsim import analysis
        from coachsim.charts import words

        (total,) = _records(self._once("total", ask=lambda: analysis.lost(self._log, **self._only)))
        (times,) = _records(self._once("times", ask=lambda: analysis.time_to_read(self._log, **self._only)))
        ((messages, agents),) = self._counted()
        sent, open_ = total["sent"], self._index.days[-1].label in self._days and self._index.days[-1].open
        so_far = " so far" if open_ else ""
        margin = ""
        if times["median_low_s"] is not None:
            low, high = words.duration(times["median_low_s"]), times["median_high_s"]
            margin = f"from {low}, no upper bound" if high is None else f"{low} to {words.duration(high)}"
        cards = [
            ("sent", "Sent", f"{sent:,}", f"{_many(messages, 'message')} to {_many(agents, 'agent')}"),
            (
                "unread",
                "Unread" + so_far,
                words.percent(total["unread_rate"]),
                f"{words.of(total['unread'], sent)} not read",
            ),
            (
                "lost",
                "Lost unread" + so_far,
                words.percent(total["lost_rate"]),
                f"{words.of(total['lost'], sent)} · {total['lost_not_notified']:,} never notified",
            ),
            (
                "median",
                "Median time to read",
                words.duration(times["median_s"]),
                f"{words.of(times['read'], sent)} read",
            ),
        ]
        return {
            "cards": [
                {"key": key, "label": label, "value": value if sent else _NONE, "note": note if sent else " "}
                | {"margin": margin if key == "median" else ""}
                for key, label, value, note in cards
            ],
            "shown": self._shown(),
            "empty": "" if sent else f"Nothing was sent {self._shown()}. Choose other days or teams above.",
            "sent": sent,
        }

    def _counted(self) -> list[list[int]]:
        found = self._log.sql(
            f"SELECT count(DISTINCT message_id), count(DISTINCT agent_id) FROM deliveries {_WHERE}", self._parameters()
        )
        return [[int(one) for one in row] for row in found.to_numpy().tolist()]

    def _shown(self) -> str:
        days = {day.label: day.says for day in self._index.days}
        first, last = days.get(self._first, self._first), days.get(self._last, self._last)
        when = f"on {first}" if first == last else f"from {first} to {last}"
        return when if self._teams is None else f"{when} to {', '.join(self._teams)}"

    def _parameters(self, **more: Any) -> Json:
        return {"days": self._days, "teams": self._teams} | more

    # --- the messages ---

    def messages(self) -> Json:
        """The messages, those that nobody read first, then by the share not read; and how many there are."""
        found = _records(
            self._once("messages", ask=lambda: self._log.sql(_MESSAGES, self._parameters(most=MOST_MESSAGES)))
        )
        return {"rows": [self._row(row) for row in found], "total": found[0]["total"] if found else 0}

    def _row(self, row: Json) -> Json:
        body = row["body"]
        return {
            "message_id": row["message_id"],
            "at": self._time(row["sent_at"]),
            "sender": row["sender"],
            "to": audience_text(row["audience"], self._names()),
            "body": body if len(body) <= _BEGINNING else body[: _BEGINNING - 1].rstrip() + "…",
            "urgent": row["priority"] == "urgent",
            "sent": row["sent"],
            "read": row["ever_read"],
            "lost": row["lost"],
        }

    def _names(self) -> Mapping[str, str]:
        found = self._once("names", ask=lambda: self._log.sql("SELECT agent_id, name FROM agents").to_dict("split"))
        return dict(found["data"])

    def _time(self, moment: Any) -> str:
        at = self._index.local(moment if isinstance(moment, datetime) else datetime.fromisoformat(moment))
        return f"{at:%H:%M}" if self._first == self._last else f"{at:%a} {at.day} {at:%b} {at:%H:%M}"

    def message(self, message_id: int, *, dark: bool) -> Json:
        """One message: its text, how far it got and how fast, as charts. Raises ``InvalidInput`` for one not shown."""
        from coachsim import analysis
        from coachsim.charts import log as charts
        from coachsim.charts import log_reading, words

        found = _records(self._log.sql(f"{_COUNTED} AND message_id = $one {_JOINED}", self._parameters(one=message_id)))
        if not found:
            raise InvalidInput("That message is not among those shown. Choose another.", field="message_id")
        (row,) = found
        only = self._only | {"message_id": message_id}
        steps = self._once("steps", message_id, ask=lambda: analysis.read_curve(self._log, **only))
        reach = charts.reach([row], dark=dark, width="container", headings=False)
        last = next((step["seconds"] for step in _records(steps) if step["read"] == row["ever_read"]), 0)
        span = next((minutes * 60 for minutes in _MESSAGE_MIN if last < minutes * 60), SPANS["day"])
        curve = log_reading.message(steps, row["sent"], until_s=span, dark=dark, width="container")
        asked = " · asks to confirm" if row["ack_required"] else ""
        expires = f" · {self._expires(row['expires_at'])}" if row["expires_at"] else ""
        return self._row(row) | {
            "body": row["body"],
            "about": f"{'urgent · ' if row['urgent_'] else ''}{_many(row['sent'], 'agent')}{asked}{expires}",
            "share": words.share(row["ever_read"], row["sent"]),
            "reach": _drawn(reach),
            "curve": _drawn(curve),
        }

    def _expires(self, moment: Any) -> str:
        at = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        newest = self._index.newest
        return f"{'expired' if newest is not None and at <= newest else 'expires'} {self._time(at)}"

    # --- the charts ---

    def charts(self, view: View) -> list[Json]:
        """The charts of a tab, one or two: each with ``title``, ``caption``, ``description`` and its ``spec``."""
        return {"rates": self._rates, "reading": self._reading, "activity": self._activity}[view.tab](view)

    def _rates(self, view: View) -> list[Json]:
        from coachsim import analysis
        from coachsim.charts import log as charts

        log, look = self._log, _look(view)
        field = self._once("field", ask=lambda: analysis.unread_rates(log, by=["team", "hour"], **self._only))
        states = self._once("states", ask=lambda: analysis.lost(log, by="state_at_send", **self._only))
        what: Any = view.what
        hour = self._index.first_hour
        drawn = charts.by_team_and_hour(field, what, first_hour=hour, **look)
        return [_drawn(drawn), _drawn(charts.by_state(states, **look))]

    def _reading(self, view: View) -> list[Json]:
        from coachsim import analysis
        from coachsim.charts import log_reading

        by = None if view.by == "all" else view.by
        only = self._only | {"by": by, "since": view.since}
        key = (view.by, view.since)
        steps = self._once("curves", *key, ask=lambda: analysis.read_curve(self._log, **only))
        medians = self._once("medians", *key, ask=lambda: analysis.time_to_read(self._log, **only))
        span = SPANS[view.span]
        drawn = log_reading.curves(steps, medians, by, since=view.since, until_s=span, height=320, **_look(view))
        return [_drawn(drawn)]

    def _activity(self, view: View) -> list[Json]:
        from coachsim import analysis
        from coachsim.charts import log_activity

        log, look = self._log, _look(view)
        load = self._once("load", ask=lambda: analysis.load(log, by=["agent_id", "day"], **self._only))
        there = self._once("presence", ask=lambda: analysis.presence(log, **self._only))
        hour = self._index.first_hour
        return [
            _drawn(log_activity.load(load, **look)),
            _drawn(log_activity.presence(there, first_hour=hour, **look)),
        ]

    # --- files ---

    def file(self, kind: str) -> tuple[str, bytes]:
        """The deliveries shown, all columns of the log's table, as ``csv`` or ``parquet``: the name and the content.

        Raises ``InvalidInput`` where they are too many for a browser.
        """
        from coachsim.log import export, snapshot

        rows = self.summary()["sent"]
        if rows > MOST_ROWS:
            raise InvalidInput(
                f"These are {rows:,} deliveries, and a browser can take {MOST_ROWS:,}. Choose fewer days or teams, or"
                " use 'coachsim log export', which has no such limit.",
                field="rows",
            )
        teams = None if self._teams is None else frozenset(self._teams)
        name = f"deliveries-{self._first}" + ("" if self._first == self._last else f"-to-{self._last}")
        with tempfile.TemporaryDirectory(prefix="coachsim-") as folder, self._log.cursor() as cursor:
            content = snapshot.snapshot(cursor, "deliveries", self._first, self._last, teams)
            if kind == "csv":
                parquet, csv = Path(folder) / "deliveries.parquet", Path(folder) / "deliveries.csv"
                parquet.write_bytes(content)
                export.place(parquet, csv)
                content = csv.read_bytes()
        return f"{name}.{kind}", content


_WHERE = "WHERE list_contains($days, day) AND ($teams::VARCHAR[] IS NULL OR list_contains($teams::VARCHAR[], team))"
_COUNTED = f"""
    WITH counted AS (
        SELECT message_id, count(*) AS sent, count(read_at) AS ever_read, count(lost_at) AS lost,
               count(*) FILTER (notified_at IS NULL AND read_at IS NULL) AS not_logged_in,
               count(notified_at) FILTER (read_at IS NULL) AS notified_unread,
               count(read_at) FILTER (acknowledged_at IS NULL) AS "read", count(acknowledged_at) AS acknowledged
        FROM deliveries {_WHERE}"""
_JOINED = """GROUP BY message_id)
    SELECT counted.*, messages.sent_at, sender, audience, body, priority, priority = 'urgent' AS urgent_, ack_required,
           expires_at, count(*) OVER () AS total
    FROM counted JOIN messages USING (message_id)"""
_MESSAGES = f"""{_COUNTED} {_JOINED}
    ORDER BY ever_read > 0, ever_read / counted.sent, messages.sent_at DESC, message_id DESC LIMIT $most"""


def audience_text(audience: str, names: Mapping[str, str]) -> str:
    """An audience, as the log has it in JSON, in a few words; ``names`` are the agents' by their ids."""
    found = Audience.from_json(json.loads(audience))
    if found.everyone:
        return "everyone"
    if found.unread_of is not None:
        return "reminder to those who had not read it"
    if found.filter is None:
        (one, *others) = found.agents
        return f"{len(found.agents):,} agents" if others else names.get(one, one)
    return filter_text(found.filter)


def _records(frame: Any) -> list[Json]:
    from coachsim.charts.theme import rows

    return rows(frame)


def _look(view: View) -> Json:
    return {"dark": view.dark, "width": "container", "headings": False}


def _drawn(chart: Any) -> Json:
    spec: Json = chart.to_dict()
    about: Json = spec["usermeta"]
    return about | {"description": spec["description"], "spec": spec}


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
