"""The roster: every fault is named where it is, nothing but RosterError comes out, and what is written reads back."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim import roster
from coachsim.errors import RosterError
from coachsim.models import Agent, is_blank

HEADER = "agent_id,name,team,campaigns,lists,queues,active\n"


def faults(content: str | bytes) -> list[str]:
    with pytest.raises(RosterError) as raised:
        roster.read(content)
    return raised.value.faults


def places(content: str | bytes) -> list[str]:
    return [fault.partition(":")[0] for fault in faults(content)]


def test_a_row_becomes_an_agent() -> None:
    text = HEADER + "a1,Chloé Müller,Blue,Spring;Renewals,Warm,,true\n"
    assert roster.read(text) == [Agent("a1", "Chloé Müller", "Blue", ("Spring", "Renewals"), ("Warm",), (), True)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_any_line_ends_are_fine(encoding: str, end: str) -> None:
    content = (HEADER + "a1,Renée,Blue,,,,\na2,Bo,Blue,,,,").replace("\n", end).encode(encoding)
    assert [agent.name for agent in roster.read(content)] == ["Renée", "Bo"]


@pytest.mark.parametrize(
    ("cell", "active"), [("true", True), ("false", False), ("", True), ("TRUE", True), ("False", False), (" ", True)]
)
def test_active(cell: str, active: bool) -> None:
    assert roster.read(HEADER + f"a1,Ann,Blue,,,,{cell}\n")[0].active is active


def test_cells_are_trimmed_composed_and_said_once() -> None:
    decomposed = unicodedata.normalize("NFD", "Équipe")
    (agent,) = roster.read(HEADER + f" a1 , Ann ,{decomposed}, Spring ;;Spring; Care,,,\n")
    assert (agent.agent_id, agent.name, agent.team, agent.campaigns) == ("a1", "Ann", "Équipe", ("Spring", "Care"))


def test_a_cell_of_which_nothing_can_be_seen_is_empty() -> None:
    (agent,) = roster.read(HEADER + "a1,A\u200bnn,Blue,\u200b;Spring,\ufeff,,\n")
    assert (agent.name, agent.campaigns, agent.lists) == ("A\u200bnn", ("Spring",), ())
    assert faults(HEADER + "a1,\u200b,\u3164,,,,\n") == [
        "line 2, column name: the name is missing.",
        "line 2, column team: the team is missing.",
    ]


def test_blank_lines_and_empty_rows_are_skipped_but_counted() -> None:
    text = "\n" + HEADER + "\n   \n,,,,,,\na1,Ann,Blue,,,,\n\na2,Bo,,,,,\n"
    assert faults(text) == ["line 8, column team: the team is missing."]


def test_all_faults_are_reported_with_line_and_column_and_the_message_counts_them() -> None:
    text = HEADER + "a b,,Blue,,,,\na1,Ann,Blue,,,,yes\na1,Bo,,,,,\n,Cy,Blue,,,,\n"
    with pytest.raises(RosterError) as raised:
        roster.read(text)
    assert [fault.partition(":")[0] for fault in raised.value.faults] == [
        "line 2, column agent_id",
        "line 2, column name",
        "line 3, column active",
        "line 4, column agent_id",
        "line 4, column team",
        "line 5, column agent_id",
    ]
    assert "a1 is on line 3 already" in raised.value.faults[3]
    assert raised.value.message.startswith("The roster has 6 faults, so nothing was changed: line 2, column agent_id")
    assert raised.value.message.endswith("… and 3 more.")


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("a1,Ann", "line 2, column team"),
        ("a1,Ann,Blue,,,,true,more", "line 2, column 8"),
        ("a" * 65 + ",Ann,Blue,,,,", "line 2, column agent_id"),
        ("ä1,Ann,Blue,,,,", "line 2, column agent_id"),
        ("a1," + "n" * 101 + ",Blue,,,,", "line 2, column name"),
        ("a1,Ann," + "t" * 101 + ",,,,", "line 2, column team"),
        ("a1,Ann,Blue,Spring;" + "c" * 101 + ",,,", "line 2, column campaigns"),
        ("a1,Ann,Blue,,l\x07,,", "line 2, column lists"),
        ("a1,Ann,Blue,,,q\u2028,", "line 2, column queues"),
        ("a1,An\0n,Blue,,,,", "line 2, column name"),
        ("a1,Ann,Blue,,,,1", "line 2, column active"),
        ('a1,"Ann"x,Blue,,,,', "line 2, column 1"),
    ],
)
def test_one_fault(row: str, place: str) -> None:
    assert places(HEADER + row + "\na2,Bo,Blue,,,,\n") == [place]


def test_a_name_of_100_characters_and_an_id_of_64_are_fine() -> None:
    row = "a" * 64 + "," + "ü" * 100 + ",Blue,,,,\n"
    assert len(roster.read(HEADER + row)) == 1


def test_lines_are_counted_through_quoted_line_breaks() -> None:
    text = HEADER + 'a1,"An\nn","Bl\r\nue",,,,\na2,Bo,,,,,\n'
    assert places(text) == ["line 2, column name", "line 3, column team", "line 5, column team"]


def test_a_quote_that_is_never_closed_is_named_where_it_opens_and_hides_nothing() -> None:
    text = HEADER + 'a1,"Ann,Blue,,,,\na2,Bo,,,,,\n'
    assert places(text) == ["line 2, column 1", "line 3, column team"]
    many = HEADER + 'a1,"Ann,Blue,,,,\n' + "a2,Bo,,,,,\n" * 30
    assert len(faults(many)) == 1 + 30 + 29  # each row lacks its team, and 29 repeat the agent_id


def test_bytes_that_are_not_utf8_are_named_by_line_and_column() -> None:
    content = (HEADER + "a1,Ann,Blue,,,,\na2,Chloé,Blue,,,,\n").encode("latin-1")
    assert faults(content) == ["line 3, column name: byte 0xE9 is not UTF-8. Save the file as CSV in UTF-8."]
    assert "UTF-16" in faults((HEADER + "a1,Ann,Blue,,,,\n").encode("utf-16"))[0]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("agent_id;name;team;campaigns;lists;queues;active", "separated by semicolons"),
        ("agent_id\tname\tteam\tcampaigns\tlists\tqueues\tactive", "separated by tabs"),
        ("agent_id,team,name,campaigns,lists,queues,active", "column 2: name belongs here and is 'team'"),
        ("agent_id,name,team", "column 4: campaigns belongs here and is missing"),
        ("agent_id,name,team,campaigns,lists,queues,active,email", "column 8: 'email' is one too many"),
        ("Agent_id,name,team,campaigns,lists,queues,active", "column 1: agent_id belongs here and is 'Agent_id'"),
    ],
)
def test_a_wrong_header_is_the_only_fault(header: str, said: str) -> None:
    (fault,) = faults(header + "\nrubbish\n" if header.strip() else header)
    assert said in fault
    assert fault.startswith("line 1, column ")


def test_only_a_header_is_a_roster_of_nobody() -> None:
    assert roster.read(HEADER) == []


def test_formulas_are_names_like_others() -> None:
    agent = Agent("a1", "=2+3", "@Home", ("+Plus",))
    assert roster.read(roster.write([agent])) == [agent]


@pytest.mark.parametrize(
    "agent",
    [
        Agent("a 1", "Ann", "Blue"),
        Agent("a1", "", "Blue"),
        Agent("a1", " Ann", "Blue"),
        Agent("a1", "Ann", "Blue", ("Spring;Care",)),
        Agent("a1", "Ann\nB", "Blue"),
        Agent("a1", "Ann", "Blue", queues=("",)),
    ],
)
def test_what_would_not_read_back_is_not_written(agent: Agent) -> None:
    with pytest.raises(RosterError, match="line 2"):
        roster.write([agent])


def test_a_file_is_named_in_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "floor.csv"
    with pytest.raises(RosterError, match=r"floor\.csv cannot be read: No such file"):
        roster.load(path)
    with pytest.raises(RosterError, match="cannot be read"):
        roster.load(tmp_path)
    path.write_text(HEADER + "a1,Ann,,,,,\n", encoding="utf-8")
    with pytest.raises(
        RosterError, match=r"floor\.csv has a fault, so nothing was changed: line 2, column team"
    ) as raised:
        roster.load(path)
    assert raised.value.faults == ["line 2, column team: the team is missing."]


def test_the_roster_that_comes_with_coachsim(repository: Path) -> None:
    agents = roster.load(repository / "data" / "roster.csv")
    teams = {agent.team for agent in agents}
    assert [agent.agent_id for agent in agents] == [f"a{number:03d}" for number in range(1, 257)]
    assert sum(agent.active for agent in agents) == 250
    assert {team: sum(a.active and a.team == team for a in agents) for team in teams} == dict.fromkeys(teams, 25)
    assert [
        len({group for a in agents for group in a.groups(kind)}) for kind in ("team", "campaign", "list", "queue")
    ] == [
        10,
        4,
        6,
        5,
    ]
    assert {"Chloé Müller", "Grace O'Neill", "Dana Reyes"} <= {a.name for a in agents if a.team == "Blue" and a.active}


# Text as a roster keeps it: composed, trimmed, without control characters; lists cannot hold their separator.
_text = (
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=50)
    .map(lambda text: unicodedata.normalize("NFC", text).strip())
    .filter(lambda text: len(text) <= roster.MAX_NAME and not is_blank(text))
)
_group = _text.filter(lambda text: ";" not in text)
_groups = st.lists(_group, max_size=4, unique=True).map(tuple)
_agent = st.builds(
    Agent,
    agent_id=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    name=_text,
    team=_text,
    campaigns=_groups,
    lists=_groups,
    queues=_groups,
    active=st.booleans(),
)


@given(st.lists(_agent, max_size=8, unique_by=lambda agent: agent.agent_id))
def test_what_is_written_reads_back(agents: list[Agent]) -> None:
    text = roster.write(agents)
    assert roster.read(text) == agents
    assert roster.read(text.encode("utf-8-sig")) == agents


_messy_rows = st.lists(st.sampled_from([*'ab,;"\r\n \t=\0é\ud800', "true", ",,,", '""', "a1,Ann,Blue,,,,\n"]))


@given(st.one_of(st.binary(), st.text(), st.binary().map(HEADER.encode().__add__), _messy_rows.map("".join)))
def test_rubbish_is_refused_and_nothing_else(content: str | bytes) -> None:
    check_refused_or_read(content)


@given(_messy_rows.map("".join))
def test_rubbish_below_a_good_header_is_refused_or_read(rows: str) -> None:
    check_refused_or_read(HEADER + rows)
    check_refused_or_read((HEADER + rows).encode("utf-8", "surrogatepass"))


def check_refused_or_read(content: str | bytes) -> None:
    try:
        agents = roster.read(content)
    except RosterError as error:
        assert error.faults
        for fault in error.faults:
            assert fault.startswith("line ") and ", column " in fault
        (error.message + "".join(error.faults)).encode("utf-8")  # can be printed
    else:
        assert roster.read(roster.write(agents)) == agents
