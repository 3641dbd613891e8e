"""Variants of a scenario: what changes, what stays, and what is refused by name."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim import variants
from coachsim.days import MINUTE
from coachsim.plan import plan
from coachsim.scenario import Scenario, ScenarioError
from tests.unit.days_of import EXACT, LUNCH, message, people, scenario

SERIES = {"key": "tip", "body": "Hello", "every_min": 45, "start": "08:45", "until": "17:00"}
BASE = scenario(messages=[message(key="one"), SERIES], breaks=[LUNCH, LUNCH | {"reason": "tea", "after_min": 300}])


def sent(changed: Scenario, key: str) -> list[int]:
    """When the message goes out, in minutes after midnight."""
    day = plan(changed, 1, agents=people(3))
    names = [send.at for send in day.sends if send.draft.request_id.partition("#")[0] == key]
    return [(at - day.day.began_at) // MINUTE + 180 for at in names]


def refused(field: str, change, *args, **values) -> str:
    with pytest.raises(ScenarioError) as caught:
        change(BASE, *args, **values)
    assert caught.value.field == field
    assert caught.value.message.endswith(".")
    return caught.value.message


def test_a_message_is_sent_at_another_time_and_nothing_else_changes():
    changed = variants.send_at(BASE, "one", "11:10")
    assert sent(changed, "one") == [11 * 60 + 10]
    assert changed.messages[1] == BASE.messages[1] and sent(BASE, "one") == [600]
    assert changed.model_dump(exclude={"messages"}) == BASE.model_dump(exclude={"messages"})


def test_a_series_is_moved_as_a_whole():
    moved = variants.send_at(BASE, "tip", "09:00")
    assert sent(moved, "tip") == [at + 15 for at in sent(BASE, "tip")]
    late = variants.send_at(BASE, "tip", "18:45")
    assert late.messages[1].until == "03:00" and len(sent(late, "tip")) == 11
    assert "clear-down at 03:00" in refused("at", variants.send_at, "tip", "18:46")


@given(st.integers(0, 23), st.integers(0, 59), st.integers(1, 60))
def test_a_moved_series_has_as_many_messages_or_is_refused(hour, minute, count):
    spread = variants.messages_a_day(BASE, "tip", count)
    try:
        moved = variants.send_at(spread, "tip", f"{hour:02}:{minute:02}")
    except ScenarioError as error:
        assert error.field == "at"
    else:
        assert variants.sends_a_day(moved, "tip") == count
        assert variants.first_at(variants.message_of(moved, "tip")) == f"{hour:02}:{minute:02}"


@given(st.sampled_from(["one", "tip"]), st.integers(0, 400))
def test_as_many_messages_go_out_as_were_asked_for(key, count):
    changed = variants.messages_a_day(BASE, key, count)
    moments = sent(changed, key)
    assert len(moments) == count
    if count:
        assert variants.sends_a_day(changed, key) == count
        assert moments[0] == sent(BASE, key)[0]
        assert moments[-1] < (18 * 60 if key == "one" else 17 * 60)
        gaps = {later - earlier for earlier, later in pairwise(moments)}
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_message_late_in_the_day_is_spread_over_what_is_left_of_it():
    late = variants.messages_a_day(variants.send_at(BASE, "one", "23:00"), "one", 4)
    assert sent(late, "one") == [23 * 60, 24 * 60, 25 * 60, 26 * 60]


@pytest.mark.parametrize("count", [-1, 1_001, 2.0, True, "3"])
def test_a_number_of_messages_that_cannot_be_is_refused(count):
    assert "from 0 to 1,000" in refused("count", variants.messages_a_day, "one", count)


def test_somebody_else_is_told():
    changed = variants.send_to(BASE, "one", {"filter": {"team": ["Blue"]}})
    assert changed.messages[0].to == {"filter": {"team": ["Blue"]}}
    assert "a filter knows no 'tem'" in refused("to", variants.send_to, "one", {"filter": {"tem": ["Blue"]}})
    refused("to", variants.send_to, "one", "all")


def test_breaks_at_once_or_in_waves():
    spread = scenario(breaks=[LUNCH | {"after_spread_min": 20.0}], shifts=[{"start": "09:00", **EXACT}])
    crew = people(40)

    def begins(changed: Scenario) -> set[int]:
        day = plan(changed, 1, agents=crew)
        return {(one.at - day.day.began_at) / MINUTE + 180 for one in day.changes if one.state == "break"}

    assert len(begins(spread)) > 10
    assert begins(variants.breaks_at_once(spread)) == {11 * 60}
    exact = variants.breaks_at_once(spread)
    assert begins(variants.breaks_in_waves(exact, 3, 20)) == {660, 680, 700}
    assert "waves" in refused("waves", variants.breaks_in_waves, 0, 20)
    assert "wave_gap_min" in refused("gap_min", variants.breaks_in_waves, 2, -1)
    assert variants.breaks_in_waves(scenario(), 3, 20) == scenario(), "nobody has planned a break"


def test_toasts_and_attention():
    assert variants.toasts(BASE, 20).policy.toast_seconds == 20.0
    both = variants.toasts(BASE, 20, urgent_seconds=90).policy
    assert (both.toast_seconds, both.urgent_toast_seconds) == (20.0, 90.0)
    assert "policy.toast_seconds" in refused("seconds", variants.toasts, 0)
    refused("urgent_seconds", variants.toasts, 8, urgent_seconds=float("nan"))
    assert variants.attention(BASE, bell_never=0.2, tau_s=9).attention.bell_never == 0.2
    assert "did you mean 'tau_s'" in refused("tau", variants.attention, tau=3)
    assert "less than or equal to 1" in refused("bell_never", variants.attention, tau_s=3, bell_never=2)


def test_a_message_more_or_less():
    more = variants.added(BASE, message("16:00", key="late", to="an agent"))
    assert sent(more, "late") == [960] and sent(more, "tip") == sent(BASE, "tip")
    assert variants.without(more, "late") == BASE
    assert "two messages have the key 'one'" in refused("message", variants.added, message(key="one"))


@pytest.mark.parametrize("change", [variants.without, variants.sends_a_day, variants.message_of])
def test_a_message_that_is_not_there_is_named_with_those_that_are(change):
    assert refused("key", change, "two").endswith("Its messages: 'one', 'tip'.")


@pytest.mark.parametrize("at", ["24:00", "9:00", "noon", ""])
@pytest.mark.parametrize("key", ["one", "tip"])
def test_a_time_that_cannot_be_is_refused(key, at):
    assert "HH:MM" in refused("at", variants.send_at, key, at)


def test_a_variant_keeps_the_folder_of_its_roster(repository):
    weekday = Scenario.load(repository / "data" / "scenarios" / "weekday.toml")
    assert len(plan(variants.toasts(weekday, 20), 1).agents) == 256
