"""Templates are filled as they say, for those for whom that has one meaning, and refused otherwise."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.errors import InvalidInput, TemplateFault
from coachsim.models import MAX_BODY, is_blank
from coachsim.templates import MAX_TITLE, PLACEHOLDERS, checked_text, checked_title, filled, placeholders

DANA = ("Dana Reyes", "Blue")
OTHERS = [DANA, ("Bo Li", "Blue"), ("Cy Cole", "Red")]
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="{}\n"), max_size=60)


def escaped(text):
    """The template that gives ``text``, whoever it is for: the templates menu keeps a text so."""
    return text.replace("{", "{{").replace("}", "}}")


PARTS = st.lists(st.one_of(TEXTS.map(lambda text: ("", text)), st.sampled_from([(name, "") for name in PLACEHOLDERS])))


@given(TEXTS, st.sampled_from([OTHERS[:1], OTHERS]))
def test_any_text_has_a_template_that_gives_it_to_anybody(text, agents):
    if not is_blank(text):
        assert filled(escaped(text), agents, "14:05") == text.strip()
        assert placeholders(escaped(text)) == []


@given(PARTS, TEXTS.filter(str.strip), TEXTS.filter(str.strip))
def test_placeholders_become_their_values_and_all_else_stays(parts, name, team):
    values = {"name": name, "team": team, "time": "14:05"}
    template = "".join(f"{{{part}}}" if part else escaped(text) for part, text in parts)
    wanted = "".join(values[part] if part else text for part, text in parts).strip()
    if is_blank(template) or len(template) > MAX_BODY:
        return
    assert placeholders(template) == [part for part in PLACEHOLDERS if (part, "") in parts]
    if not is_blank(wanted) and len(wanted) <= MAX_BODY:
        assert filled(template, [(name, team)], "14:05") == wanted


@given(st.text(st.sampled_from("{}namet "), max_size=20).filter(str.strip))
def test_what_is_kept_can_be_filled_in_and_what_is_not_is_said(text):
    try:
        kept = checked_text(text)
    except TemplateFault as fault:
        assert fault.field == "body" and fault.message.endswith(".")
        with pytest.raises(TemplateFault):
            filled(text, [DANA], "14:05")
        return
    sent = filled(kept, [DANA], "14:05")
    assert sent.count("{") == len(re.findall(r"\{\{", re.sub(r"\{(name|team|time)\}(?!\})", "", kept)))


def test_one_agent_one_team_anybody():
    assert filled("{name} of {team} at {time}", [DANA], "14:05") == "Dana Reyes of Blue at 14:05"
    assert filled("All of {team} at {time}", OTHERS[:2], "14:05") == "All of Blue at 14:05"
    assert filled("At {time}", OTHERS, "14:05") == "At 14:05"
    assert filled("{{{name}}} and {{name}}", [DANA], "14:05") == "{Dana Reyes} and {name}"
    assert filled("{name}", [("{team}", "Blue")], "14:05") == "{team}", "what is filled in is no template"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{name}", "{name} can be filled in for one agent, and this is for 3."),
        ("{team}", "{team} can be filled in where all are of one team, and these are of 2."),
        ("{agent}", "There is no placeholder {agent}"),
        ("{Name}", "There is no placeholder {Name}"),
        ("{ name }", "There is no placeholder { name }"),
        ("{" + "x" * 200 + "}", "There is no placeholder {" + "x" * 27 + "…}"),
        ("so {", "There is a single {"),
        ("so }", "There is a single }"),
        ("{{name}", "There is a single }"),
        ("{{name}}}", "There is a single }"),
        ("{time}" * 166 + "{{{{", None),
    ],
)
def test_what_cannot_be_filled_in_is_refused_with_a_sentence(text, says):
    if says is None:
        assert len(filled(text, OTHERS, "14:05")) == 832
        return
    with pytest.raises(TemplateFault) as refused:
        filled(text, OTHERS, "14:05")
    assert refused.value.message.startswith(says) and refused.value.field == "template"


def test_a_name_can_make_a_message_too_long():
    text = "x" * 990 + "{name}"
    assert len(filled(text, [("Dana Reyes", "Blue")], "14:05")) == 1_000
    with pytest.raises(TemplateFault, match="1,001 characters; 1,000 is the most"):
        filled(text, [("Dana Reyess", "Blue")], "14:05")


def test_texts_and_titles_are_as_messages_are():
    assert checked_text("  a\r\nb  ") == "a\nb"
    assert checked_title("  Morning\n  briefing ") == "Morning briefing"
    for wrong in ("", " \n", "x" * (MAX_TITLE + 1), "bell\a"):
        with pytest.raises(InvalidInput) as refused:
            checked_title(wrong)
        assert refused.value.field == "title"
    for wrong in (" ", "x" * (MAX_BODY + 1), "bell\a"):
        with pytest.raises(InvalidInput) as refused:
            checked_text(wrong)
        assert refused.value.field == "body"
