"""A live floor's settings: ``settings.toml`` in its data folder, each field checked and named when it is wrong."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from coachsim.days import is_time_zone
from coachsim.errors import SettingsError

FILE_NAME = "settings.toml"
ATTENTION_FILE = "attention.toml"
"""In a floor's data folder: the attention learned from its log, as ``coachsim fit --out`` writes it."""
_CLEAR_DOWN = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_SITE = re.compile(r"[A-Za-z0-9_-]{1,64}")
# field: (least, most) in the unit of its name
_WHOLE_NUMBERS = {
    "disconnect_after_s": (0, 86_400),
    "toast_seconds": (1, 120),
    "retention_days": (1, 36_500),
    "requests_per_second": (1, 1_000_000),
    "streams_per_account": (1, 1_000_000),
}


def machine_time_zone(environ: Mapping[str, str] | None = None, etc: Path = Path("/etc")) -> str:
    """The machine's IANA time zone: from ``TZ``, ``/etc/timezone`` or the link ``/etc/localtime``; else UTC."""
    environ = os.environ if environ is None else environ
    names = [environ.get("TZ", "").removeprefix(":")]
    with contextlib.suppress(OSError, UnicodeDecodeError):  # the file is Debian's; other systems have only the link
        names.append((etc / "timezone").read_text(encoding="ascii").strip())
    with contextlib.suppress(OSError):  # a copy instead of a link says no name
        names.append(os.readlink(etc / "localtime"))
    for name in names:
        zone = name.rpartition("zoneinfo/")[2]
        if is_time_zone(zone):
            return zone
    return "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a site can set of its floor. A value that cannot be is refused with ``SettingsError``.

    ``site`` names the site's part of an archive of many; ``floor_name`` is what pages show. ``clear_down`` is the wall
    time, in ``time_zone``, at which the night empties the inboxes. An agent whose last page closed is logged out after
    ``disconnect_after_s`` (0 = never). ``archive``: whether closed days are also written as Parquet.
    ``retention_days``: how long log and archive keep who read what; None = for good. ``requests_per_second`` and
    ``streams_per_account`` are what the server takes of one account (or of one address that is not signed in).
    """

    site: str = "main"
    floor_name: str = "Contact centre"
    time_zone: str = field(default_factory=machine_time_zone)
    clear_down: str = "03:00"
    disconnect_after_s: int = 300
    toast_seconds: int = 8
    archive: bool = True
    retention_days: int | None = None
    requests_per_second: int = 300
    streams_per_account: int = 50

    def __post_init__(self) -> None:
        faults = {each.name: _fault(each.name, getattr(self, each.name)) for each in fields(self)}
        _refuse({name: fault for name, fault in faults.items() if fault})

    @classmethod
    def load(cls, data_dir: str | Path) -> Settings:
        """The settings of the floor in ``data_dir``; the defaults where it has no ``settings.toml``."""
        path = Path(data_dir) / FILE_NAME
        try:
            given = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path} is not UTF-8 text. Save it as UTF-8.") from error
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{path} is not TOML: {error}.") from error
        known = [each.name for each in fields(cls)]
        faults = {name: _unknown(name, known) for name in given if name not in known}
        faults |= {name: fault for name, value in given.items() if name in known and (fault := _fault(name, value))}
        _refuse(faults, path)
        return cls(**given)


def _fault(name: str, value: Any) -> str | None:
    """What is wrong with a value, as the rest of a sentence that starts with the field's name."""
    if name in _WHOLE_NUMBERS:
        least, most = _WHOLE_NUMBERS[name]
        if name == "retention_days" and value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            return f"has to be a whole number from {least} to {most:,}, not {_shown(value)}."
        return None
    if name == "archive":
        return None if isinstance(value, bool) else f"has to be true or false, not {_shown(value)}."
    if not isinstance(value, str):
        return f'has to be a text in quotes, like "{_EXAMPLES[name]}", not {_shown(value)}.'
    if name == "time_zone":
        return (
            None if is_time_zone(value) else f"has to be an IANA time zone, not {_shown(value)}.{_nearest_zone(value)}"
        )
    if name == "clear_down":
        return None if _CLEAR_DOWN.fullmatch(value) else f'has to be a time like "03:00", not {_shown(value)}.'
    if name == "site":
        return None if _SITE.fullmatch(value) else f"has to be 1 to 64 of A-Z, a-z, 0-9, _ and -, not {_shown(value)}."
    if not value.strip() or len(value) > 100 or any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        return f"has to be 1 to 100 characters on one line, not {_shown(value)}."
    return None


_EXAMPLES = {"site": "leeds", "floor_name": "Contact centre", "time_zone": "Europe/London", "clear_down": "03:00"}


def _nearest_zone(name: str) -> str:
    by_lower = {zone.lower(): zone for zone in available_timezones()}
    near = difflib.get_close_matches(name.lower().replace(" ", "_"), by_lower, n=1)
    return f" Did you mean {by_lower[near[0]]}?" if near else ' Examples: "Europe/London", "America/New_York", "UTC".'


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"is no setting. Did you mean {near[0]}?" if near else f"is no setting. There are {', '.join(known)}."


def _refuse(faults: dict[str, str], path: Path | None = None) -> None:
    if faults:
        where = f"{path}: " if path else ""
        sentences = (f"{_shown(name) if fault.startswith('is no') else name} {fault}" for name, fault in faults.items())
        raise SettingsError(where + " ".join(sentences), field=next(iter(faults)))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
