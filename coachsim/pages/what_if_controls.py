"""The what-if page's controls: what a scenario sets them to, and the two scenarios that they stand for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coachsim import variants
from coachsim.errors import CoachsimError, InvalidInput
from coachsim.models import GROUP_KINDS, Agent, Audience
from coachsim.scenario import Attention, Scenario, ScenarioError
from coachsim.wording import KINDS, filter_text

Json = dict[str, Any]
PLANNED = "planned"
REPLICATIONS = (2, 1_000)
SEEDS = (0, 2**31)
#: name: (label, unit shown, factor from the scenario's number to the shown one)
ATTENTION: dict[str, tuple[str, str, float]] = {
    "bell_never": ("Bells never looked at", "%", 100),
    "bell_median_s": ("Until the bell is looked at, median", "min", 1 / 60),
    "bell_sigma": ("Spread of that delay (bell)", "σ", 1),
    "tau_s": ("How fast a toast is noticed (τ)", "s", 1),
    "fatigue": ("Noticing lost with each earlier message", "%", 100),
    "open_median_s": ("From noticing to opening, median", "s", 1),
    "open_sigma": ("Spread of that delay (opening)", "σ", 1),
    "occupancy": ("Time on a call", "%", 100),
    "call_mean_s": ("Length of a call, mean", "s", 1),
    "ack_median_s": ("From reading to confirming, median", "s", 1),
    "ack_sigma": ("Spread of that delay (confirming)", "σ", 1),
    "ack_never": ("Never confirmed though read", "%", 100),
}


@dataclass
class Asked:
    """What the controls ask for. ``faults`` has a sentence for each control that cannot be as it is.

    ``message`` is the key that is counted, None for all. ``changes`` say in a few words how B differs from A;
    ``assumed`` what is other in both than in the scenario.
    """

    a: Scenario
    b: Scenario
    message: str | None
    replications: int
    seed: int
    changes: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


def choices(scenario: Scenario, agents: Sequence[Agent]) -> Json:
    """What can be chosen on this scenario: its messages, whom they may go to, and the numbers under attention."""
    active = [agent for agent in agents if agent.active]
    in_order = sorted(scenario.messages, key=lambda message: scenario.into_day(variants.first_at(message)))
    return {
        "messages": [
            {"key": message.key, "body": message.body, **_planned(scenario, message.key)} for message in in_order
        ],
        "first": next((message.key for message in in_order if message.to == "everyone"), None)
        or next((message.key for message in in_order), ""),
        "audiences": [
            {"value": _as_value("everyone"), "label": f"Everyone · {len(active):,}", "group": ""},
            {"value": _as_value("a team"), "label": "A team, drawn for each send", "group": ""},
            {"value": _as_value("an agent"), "label": "An agent, drawn for each send", "group": ""},
            *_groups(active),
        ],
        "breaks": len(scenario.breaks),
        "midnight": scenario.into_day("00:00"),
        "toast": scenario.policy.toast_seconds,
        "waves": max((one.waves for one in scenario.breaks), default=1),
        "attention": [
            {
                "name": name,
                "label": label,
                "unit": unit,
                "value": _shown(getattr(scenario.attention, name) * factor),
                "says": Attention.model_fields[name].description,
            }
            for name, (label, unit, factor) in ATTENTION.items()
        ],
    }


def _planned(scenario: Scenario, key: str) -> Json:
    message = variants.message_of(scenario, key)
    return {
        "at": variants.first_at(message),
        "count": variants.sends_a_day(scenario, key),
        "series": message.at is None,
        "to": says_audience(message.to),
        "urgent": message.priority == "urgent",
    }


def _groups(active: Sequence[Agent]) -> list[Json]:
    found = []
    for kind in ("team", *(kind for kind in GROUP_KINDS if kind != "team")):
        counts: dict[str, int] = {}
        for agent in active:
            for group in agent.groups(kind):
                counts[group] = counts.get(group, 0) + 1
        found += [
            {"value": _as_value({"filter": {kind: [name]}}), "label": f"{name} · {count:,}", "group": KINDS[kind]}
            for name, count in sorted(counts.items())
        ]
    return found


def says_audience(to: Json | str) -> str:
    """An audience in a few words."""
    if isinstance(to, str):
        return to
    audience = Audience.from_json(to)
    if audience.everyone:
        return "everyone"
    if audience.filter is None:
        return audience.agents[0] if len(audience.agents) == 1 else f"{len(audience.agents):,} agents"
    return filter_text(audience.filter)


def _as_value(to: Json | str) -> str:
    return json.dumps(to, sort_keys=True)


def _shown(number: float) -> float:
    return float(f"{number:.4g}")


# --- from the controls to two scenarios ---


def asked(scenario: Scenario, form: Json) -> Asked:
    """The scenarios A and B that the controls stand for; a control that cannot be as it is leaves B as without it."""
    answer = Asked(scenario, scenario, None, 100, 1)
    _whole_numbers(answer, form)
    key = _text(form, "message")
    if key and any(message.key == key for message in scenario.messages):
        if form.get("count_what") != "all":
            answer.message = key
        _message(answer, form, key)
    _toasts(answer, form)
    _breaks(answer, form)
    _attention(answer, form)
    return answer


def _whole_numbers(answer: Asked, form: Json) -> None:
    for name, (least, most), says in (("replications", REPLICATIONS, "Replications"), ("seed", SEEDS, "Seed")):
        if name not in form:
            continue
        value = _number_or_none(form[name])
        if value is None or value != int(value) or not least <= value <= most:
            answer.faults[name] = f"{says}: write a whole number from {least:,} to {most:,}."
        else:
            setattr(answer, name, int(value))


def _message(answer: Asked, form: Json, key: str) -> None:
    planned = _planned(answer.a, key)
    at, to, count = form.get("at"), form.get("to", PLANNED), form.get("count")
    if at not in (None, planned["at"]):
        _try(answer, "at", f"{at}", lambda b: variants.send_at(b, key, _text(form, "at")))
    if to != PLANNED:
        wanted = _audience(to)
        if wanted != variants.message_of(answer.a, key).to:
            _try(answer, "to", "", lambda b: variants.send_to(b, key, wanted))
            if "to" not in answer.faults:
                answer.changes.append(f"to {says_audience(wanted)}")
    if count not in (None, planned["count"]):
        number = _number_or_none(count)
        exact = int(number) if number is not None and number == int(number) else count
        if exact == 0:
            answer.faults["count"] = "Messages a day: at least one, or there is nothing to compare."
            return
        _try(answer, "count", f"{count} a day", lambda b: variants.messages_a_day(b, key, exact))


def _audience(value: Any) -> Json | str:
    try:
        found = json.loads(value)
    except (TypeError, ValueError):
        return str(value)
    return found if isinstance(found, dict | str) else str(value)


def _toasts(answer: Asked, form: Json) -> None:
    seconds = form.get("toast")
    if seconds is not None and seconds != answer.a.policy.toast_seconds:
        _try(answer, "toast", f"toasts of {seconds} s", lambda b: variants.toasts(b, _number(seconds, "Toast seconds")))


def _breaks(answer: Asked, form: Json) -> None:
    match form.get("breaks", PLANNED):
        case "at_once":
            _try(answer, "breaks", "breaks all at once", variants.breaks_at_once)
        case "waves":
            waves, gap = form.get("waves"), form.get("gap")

            def in_waves(b: Scenario) -> Scenario:
                number = _number(waves, "Waves")
                if number != int(number):
                    raise InvalidInput("Waves: write a whole number.")
                return variants.breaks_in_waves(b, int(number), _number(gap, "Minutes between waves"))

            _try(answer, "breaks", f"breaks in {waves} waves every {gap} min", in_waves)


def _attention(answer: Asked, form: Json) -> None:
    given = form.get("attention")
    changed: dict[str, float] = {}
    for name, value in (given if isinstance(given, dict) else {}).items():
        if name not in ATTENTION:
            answer.faults[f"attention.{name}"] = f"Attention has no number {name!r}."
            continue
        label, unit, factor = ATTENTION[name]
        now = getattr(answer.a.attention, name)
        try:
            number = _number(value, label)
            if number == _shown(now * factor):
                continue
            if unit == "%" and not 0 <= number <= 100:
                raise InvalidInput(f"{label}: write a number from 0 to 100.")
            variants.attention(answer.a, **{name: number / factor})
        except CoachsimError as error:
            answer.faults[f"attention.{name}"] = _named(label, error)
            continue
        changed[name] = number / factor
    if not changed:
        return
    if form.get("attention_of") == "b":
        _try(answer, "attention", "other attention", lambda b: variants.attention(b, **changed))
    else:
        answer.a = variants.attention(answer.a, **changed)
        answer.b = variants.attention(answer.b, **changed)
        answer.assumed.append("other attention")


_LABELS = {
    "at": "Send at",
    "to": "To",
    "count": "Messages a day",
    "toast": "Toast seconds",
    "breaks": "Breaks",
    "attention": "Attention",
}


def _try(answer: Asked, name: str, says: str, change: Callable[[Scenario], Scenario]) -> None:
    try:
        answer.b = change(answer.b)
    except CoachsimError as error:
        answer.faults[name] = _named(_LABELS[name], error)
    else:
        answer.changes += [says] if says else []


def _named(label: str, error: CoachsimError) -> str:
    """The error's sentence with the control's name in place of the scenario's and the field's."""
    said = error.message.rpartition(": ")[2] if isinstance(error, ScenarioError) else error.message
    return said if said.startswith(label) else f"{label}: {said[0].lower()}{said[1:]}"


def _text(form: Json, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _number(value: Any, label: str) -> float:
    number = _number_or_none(value)
    if number is None:
        raise InvalidInput(f"{label}: write a number.")
    return number


def _number_or_none(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
