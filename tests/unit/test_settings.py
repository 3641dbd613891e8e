"""A floor's settings: defaults, the file, and a sentence for whatever is wrong with it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.days import Schedule
from coachsim.errors import SettingsError
from coachsim.settings import Settings, machine_time_zone


def load(folder: Path, text: str | bytes) -> Settings:
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "settings.toml").write_bytes(content)
    return Settings.load(folder)


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path)
    assert settings == Settings.load(str(tmp_path / "not made yet")) == Settings()
    assert (settings.clear_down, settings.disconnect_after_s, settings.toast_seconds) == ("03:00", 300, 8)
    assert settings.retention_days is None


def test_every_field_can_be_set(tmp_path: Path) -> None:
    text = """
        site = "leeds"
        floor_name = "Leeds, 2nd floor"
        time_zone = "America/New_York"
        clear_down = "23:30"
        disconnect_after_s = 0
        toast_seconds = 20
        archive = false
        retention_days = 90
        requests_per_second = 1_000
        streams_per_account = 5
    """
    settings = load(tmp_path, text)
    assert settings == Settings(
        site="leeds",
        floor_name="Leeds, 2nd floor",
        time_zone="America/New_York",
        clear_down="23:30",
        disconnect_after_s=0,
        toast_seconds=20,
        archive=False,
        retention_days=90,
        requests_per_second=1_000,
        streams_per_account=5,
    )
    assert all(field.name in text for field in fields(Settings))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("toast_second = 8", "'toast_second' is no setting. Did you mean toast_seconds?"),
        ("Clear_Down = '03:00'", "'Clear_Down' is no setting. Did you mean clear_down?"),
        ("colour = 'red'", "'colour' is no setting. There are site, floor_name, time_zone,"),
        ("toast_seconds = '8'", "toast_seconds has to be a whole number from 1 to 120, not '8'."),
        ("archive = 'no'", "archive has to be true or false, not 'no'."),
        ("archive = 1", "archive has to be true or false, not 1."),
        ("toast_seconds = 8.0", "toast_seconds has to be a whole number from 1 to 120, not 8.0."),
        ("toast_seconds = true", "toast_seconds has to be a whole number from 1 to 120, not True."),
        ("toast_seconds = 0", "toast_seconds has to be a whole number from 1 to 120, not 0."),
        ("disconnect_after_s = -1", "disconnect_after_s has to be a whole number from 0 to 86,400, not -1."),
        ("retention_days = 0", "retention_days has to be a whole number from 1 to 36,500, not 0."),
        ("clear_down = '3:00'", "clear_down has to be a time like \"03:00\", not '3:00'."),
        ("clear_down = '24:00'", 'clear_down has to be a time like "03:00"'),
        ("clear_down = '03:00\\n'", "clear_down has to be a time"),
        ("clear_down = 03:00:00", 'clear_down has to be a text in quotes, like "03:00"'),
        (
            "time_zone = 'europe/londn'",
            "time_zone has to be an IANA time zone, not 'europe/londn'. Did you mean Europe/London?",
        ),
        ("time_zone = 'Moon/Crater'", "time_zone has to be an IANA time zone, not 'Moon/Crater'."),
        ("time_zone = 'localtime'", "time_zone has to be an IANA time zone, not 'localtime'."),
        ("time_zone = 'Europe'", "time_zone has to be an IANA time zone, not 'Europe'."),
        ("time_zone = '../etc/passwd'", "time_zone has to be an IANA time zone"),
        ("time_zone = ''", "time_zone has to be an IANA time zone, not ''."),
        ("site = 'a/b'", "site has to be 1 to 64 of A-Z, a-z, 0-9, _ and -, not 'a/b'."),
        ("floor_name = ' '", "floor_name has to be 1 to 100 characters on one line, not ' '."),
        ('floor_name = "a\\nb"', "floor_name has to be 1 to 100 characters on one line"),
        ("[site]", "site has to be a text in quotes"),
        ("toast_seconds =", "settings.toml is not TOML: Invalid value (at end of document)."),
        ("x = " + "[" * 5_000, "settings.toml is not TOML"),
        ("toast_seconds = " + "1" * 5_000, "settings.toml is not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_field(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, line)
    assert said in raised.value.message
    assert raised.value.message.startswith(str(tmp_path / "settings.toml"))
    if "settings.toml is not TOML" not in said:
        assert raised.value.field in line


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'a' is no setting.*toast_seconds has to be.*clear_down has to be"):
        load(tmp_path, "a = 1\ntoast_seconds = 0\nclear_down = 'noon'")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not UTF-8"):
        load(tmp_path, b'site = "Chlo\xe9"')
    (tmp_path / "settings.toml").unlink()
    (tmp_path / "settings.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        Settings.load(tmp_path)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbfsite = 'leeds'").site == "leeds"


def test_values_are_checked_without_a_file_too() -> None:
    with pytest.raises(SettingsError, match="time_zone") as raised:
        Settings(time_zone="Nowhere")
    assert raised.value.field == "time_zone"


@given(st.binary())
def test_rubbish_is_refused_with_settings_errors_only(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    refused_or_read(tmp_path_factory.mktemp("rubbish"), content)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(name=st.sampled_from([field.name for field in fields(Settings)]), value=_values)
def test_a_value_of_any_kind_is_taken_or_refused(name: str, value: object) -> None:
    try:
        settings = Settings(**{name: value})
    except SettingsError as error:
        assert error.field == name
    else:
        assert getattr(settings, name) == value


@given(st.text(st.characters(exclude_categories=[]), max_size=8) | st.from_regex(r"\\d\\d:\\d\\d", fullmatch=True))
def test_any_text_is_a_clear_down_time_of_which_days_can_be_made_or_refused(wall: str) -> None:
    try:
        settings = Settings(clear_down=wall, time_zone="Europe/London")
    except SettingsError as error:
        assert error.field == "clear_down"
        error.message.encode()  # can be printed
    else:
        day = Schedule(settings.time_zone, settings.clear_down).day_at(1_772_445_600_000_000)
        assert day.label in ("2026-03-01", "2026-03-02")


def refused_or_read(folder: Path, content: bytes) -> None:
    try:
        load(folder, content)
    except SettingsError as error:
        assert "settings.toml" in error.message


def test_the_machines_time_zone(tmp_path: Path) -> None:
    assert machine_time_zone({}, tmp_path) == "UTC"
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    assert machine_time_zone({}, tmp_path) == "Asia/Tokyo"
    (tmp_path / "timezone").write_text("Europe/Paris\n")
    assert machine_time_zone({}, tmp_path) == "Europe/Paris"
    (tmp_path / "timezone").write_bytes(b"\xff\0")
    assert machine_time_zone({}, tmp_path) == "Asia/Tokyo"
    assert machine_time_zone({"TZ": ":Europe/London"}, tmp_path) == "Europe/London"
    assert machine_time_zone({"TZ": "/usr/share/zoneinfo/Africa/Lagos"}, tmp_path) == "Africa/Lagos"
    assert machine_time_zone({"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, tmp_path) == "Asia/Tokyo"


def test_settings_cannot_be_changed_after_they_were_checked() -> None:
    with pytest.raises(AttributeError):
        Settings().toast_seconds = 9  # type: ignore[misc]
