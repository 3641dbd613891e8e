"""Scenarios: the bundled one, the data dictionary, and what is said of one that cannot be used."""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.models import is_blank
from coachsim.plan import floor_of, plan
from coachsim.scenario import Scenario, ScenarioError
from tests.unit.days_of import message
from tests.unit.scenario_table import rows

BASE = {"name": "x", "shifts": [{"start": "08:00"}]}


def refused(**values) -> str:
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict(BASE | values)
    return caught.value.message


def test_the_bundled_weekday_is_on_the_bundled_roster(repository: Path):
    weekday = Scenario.load(repository / "data" / "scenarios" / "weekday.toml")
    agents = floor_of(weekday)
    assert sum(agent.active for agent in agents) == 250
    day = plan(weekday, 1)
    early = [send for send in day.sends if send.at < day.day.began_at + 7.5 * 3_600_000_000]
    assert len(early) > 5, "a practice floor starts with messages under way"
    assert any(send.draft.priority == "urgent" and send.draft.ack_required for send in day.sends)
    assert any(send.draft.expires_at for send in day.sends)
    assert {len(send.draft.audience.agents) for send in day.sends} == {0, 1}
    assert day.opening, "somebody is there overnight"


def test_the_data_dictionary_has_every_field_with_its_unit_and_default(repository: Path):
    text = (repository / "data" / "README.md").read_text(encoding="utf-8")
    section = text.partition("## A scenario")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `.*\|$", section, re.MULTILINE) == list(rows()), (
        "run 'python -m tests.unit.scenario_table' and put what it prints into data/README.md"
    )


def test_every_misspelt_field_is_named_before_any_file_is_opened(tmp_path: Path):
    path = tmp_path / "s.toml"
    path.write_text(
        'nmae = "x"\n[floor]\nroster = "not-there.csv"\nagent = 3\n[[shifts]]\nstart = "8 o\'clock"\n'
        '[[shifts]]\nstrat = "09:00"\n[[messages]]\nbdy = "x"\nto = { agents = ["a1"] }\n[attention]\ntau = 4\nzzz = 1'
    )
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    said = caught.value.message
    assert said.startswith(str(path))
    for name, meant in {
        "nmae": "name",
        "floor.agent": "agents",
        "shifts[1].strat": "start",
        "messages[0].bdy": "body",
        "attention.tau": "tau_s",
    }.items():
        assert f"there is no field {name!r} (did you mean {meant!r}?)" in said
    assert "there is no field 'attention.zzz'" in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"absence": 1.5}, "absence: input should be less than or equal to 1"),
        ({"absence": True}, "absence: "),
        ({"absence": float("nan")}, "absence: "),
        ({"floor": {"agents": "many"}}, "floor.agents: "),
        ({"floor": {"agents": 10**30}}, "floor.agents: "),
        ({"floor": 3}, "floor: "),
        ({"folder": "/"}, "there is no field 'folder'"),
        ({"date": "9999-12-31"}, "date: "),
        ({"time_zone": "Mars/Olympus"}, "time_zone: not an IANA time zone, such as Europe/London"),
        ({"time_zone": "Europe"}, "time_zone: "),
        ({"time_zone": "localtime"}, "time_zone: "),
        ({"time_zone": "posix/Europe/London"}, "time_zone: "),
        ({"clear_down": "0\u0663:00"}, "clear_down: write a time of day as HH:MM"),
        ({"practice_from": "10:3\uff10"}, "practice_from: write a time of day as HH:MM"),
        ({"clear_down": "3:00"}, "clear_down: write a time of day as HH:MM"),
        ({"clear_down": "24:00"}, "clear_down: "),
        ({"shifts": []}, "there is no shift"),
        ({"shifts": [{"start": "09:00"}, {"start": "09:00", "length_h": 0}]}, "shifts[1].length_h: "),
        ({"shifts": 3}, "shifts: "),
        ({"breaks": [{"after_min": 1, "length_min": 1}]}, "breaks[0].reason: "),
        ({"breaks": [{"reason": "x" * 26, "after_min": 1, "length_min": 1}]}, "breaks[0].reason: the reason has 26"),
        ({"messages": [message(), message()]}, "two messages have the key 'm10:00'"),
        ({"messages": [message(key="a#1")]}, "messages[0].key: a key has no '#' in it"),
        ({"messages": [message(body=" ")]}, "messages[0].body: the message is empty"),
        ({"messages": [message(to="all")]}, "messages[0].to: write 'everyone', 'a team', 'an agent'"),
        ({"messages": [message(to=3)]}, "messages[0].to: "),
        ({"messages": [message(to={"filter": {"tem": ["Blue"]}})]}, "messages[0].to: a filter knows no 'tem'"),
        ({"messages": [message(every_min=5)]}, "messages[0]: give either 'at', or all of"),
        ({"messages": [{"key": "k", "body": "b", "every_min": 5, "start": "09:00"}]}, "messages[0]: give either"),
        (
            {"messages": [{"key": "k", "body": "b", "every_min": 5, "start": "09:00", "until": "08:00"}]},
            "messages[0].until: the series would end before it starts",
        ),
        ({"messages": [message(priority="high")]}, "messages[0].priority: "),
        ({"messages": [message(expires_after_min=0)]}, "messages[0].expires_after_min: "),
        ({"policy": {"toast_seconds": -1}}, "policy.toast_seconds: "),
    ],
)
def test_an_impossible_value_is_named_with_its_place(values, said):
    assert said in refused(**values)


def test_all_impossible_values_are_named_at_once():
    said = refused(absence=2, clear_down="x", messages=[message(body="")])
    assert "absence: " in said and "clear_down: " in said and "messages[0].body: " in said


@pytest.mark.parametrize("text", ["name = ", "a = " + "[" * 5_000, "x = " + "9" * 5_000, "name = 1\nname = 2"])
def test_what_is_no_toml_is_said_to_be_none(tmp_path: Path, text: str):
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match="is not valid TOML"):
        Scenario.load(path)


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(ScenarioError, match="There is no scenario"):
        Scenario.load(tmp_path / "none.toml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load(tmp_path / "latin.toml")


def test_a_byte_order_mark_is_fine(tmp_path: Path):
    (tmp_path / "s.toml").write_text('name = "x"\n[[shifts]]\nstart = "09:00"\n', encoding="utf-8-sig")
    assert Scenario.load(tmp_path / "s.toml").name == "x"


@given(content=st.binary() | st.binary().map(b'name = "x"\n[[shifts]]\nstart = "09:00"\n#'.__add__))
def test_any_bytes_are_a_scenario_or_a_scenario_error(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    try:
        assert Scenario.load(path).name
    except ScenarioError as error:
        assert str(path) in error.message
        error.message.encode()  # can be printed


def test_a_roster_is_looked_for_beside_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "floors").mkdir()
    (tmp_path / "floors" / "r.csv").write_text("agent_id,name,team,campaigns,lists,queues,active\nz1,Zoe,Blue,,,,\n")
    (tmp_path / "s.toml").write_text('name = "x"\nfloor.roster = "floors/r.csv"\n[[shifts]]\nstart = "09:00"\n')
    monkeypatch.chdir(tmp_path.parent)
    loaded = Scenario.load(Path(tmp_path.name) / "s.toml")
    monkeypatch.chdir("/")
    assert [agent.agent_id for agent in floor_of(loaded)] == ["z1"]
    assert [agent.agent_id for agent in floor_of(loaded.model_copy(update={"name": "variant"}))] == ["z1"]


def test_a_variant_is_a_scenario_too():
    made = Scenario.from_dict(BASE | {"messages": [message()]})
    again = Scenario.from_dict(made.model_dump(mode="json"))
    assert again == made


@pytest.mark.parametrize("name", ["weekday", "night_shift"])
def test_a_saved_scenario_is_the_same_wherever_it_is_put(repository: Path, tmp_path: Path, name: str):
    loaded = Scenario.load(repository / "data" / "scenarios" / f"{name}.toml")
    loaded.save(tmp_path / "saved.toml")
    again = Scenario.load(tmp_path / "saved.toml")
    assert [agent.agent_id for agent in floor_of(again)] == [agent.agent_id for agent in floor_of(loaded)]
    assert again.model_dump(exclude={"floor"}) == loaded.model_dump(exclude={"floor"})
    with pytest.raises(ScenarioError, match="cannot be written"):
        loaded.save(tmp_path / "no folder" / "saved.toml")


@given(
    name=st.text(min_size=1, max_size=80),
    body=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(lambda text: not is_blank(text)),
    roster=st.none() | st.from_regex(r"\A[^\x00-\x1f\ud800-\udfff]+\Z"),
    seconds=st.floats(0.001, 1e6),
)
def test_toml_and_back_is_the_same_scenario(name, body, roster, seconds):
    made = Scenario.from_dict(
        BASE
        | {
            "name": name,
            "messages": [message(body=body, to={"agents": [name]})],
            "floor": {"roster": roster} if roster else {},
            "policy": {"toast_seconds": seconds},
        }
    )
    text = made.to_toml()
    assert Scenario.from_dict(tomllib.loads(text)) == made
    assert ("needs the roster" in text.partition("\nname")[0]) == bool(roster)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [name for name in Scenario.model_fields if name != "folder"]


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), VALUES, max_size=4))
def test_garbage_under_real_names_is_only_ever_a_scenario_error(values):
    try:
        Scenario.from_dict(BASE | values)
    except ScenarioError as error:
        assert error.message.endswith(".")


@st.composite
def toml_garbage(draw: st.DrawFn) -> str:
    words = st.sampled_from(
        [*FIELDS, "start", "to", "at", "=", "[[", "]]", "[", "]", '"09:00"', "1", "{", "}", "\n", "nan"]
    )
    noise = st.text(string.printable, max_size=6)
    return "".join(draw(st.lists(words | noise, max_size=30)))


@given(text=toml_garbage())
def test_garbage_toml_is_only_ever_a_scenario_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "garbage.toml"
    path.write_text(text, encoding="utf-8")
    try:
        Scenario.load(path)
    except ScenarioError as error:
        assert str(path) in error.message
