"""The shelf of templates: whose they are, who may change them, and every version that there ever was.

A template is its newest version; a change, a deletion and taking either back are each one version more. So nothing is
forgotten, and whoever keeps the versions keeps all. Pure rules: a ``Keeper`` has the clock and the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from coachsim.days import to_iso
from coachsim.errors import Forbidden, TemplateChanged, TooManyTemplates, UnknownTemplate
from coachsim.templates import checked_text, checked_title, placeholders

Json = dict[str, Any]
MOST_TEMPLATES = 200
"""So many templates has an account at most, those that it deleted not counted."""
MOST_VERSIONS = 100
"""So many versions of a template are shown, the newest ones; all are kept."""


@dataclass(frozen=True, slots=True)
class Version:
    """How a template was from ``changed_at`` (µs) on. ``hidden``: it was deleted. Versions count from 1."""

    template_id: int
    version: int
    changed_at: int
    changed_by: str
    owner: str
    title: str
    body: str
    shared: bool
    hidden: bool = False


Decision = Callable[["Shelf", int], Version | None]


class Shelf:
    """All templates as their versions make them. Questions and decisions; what is decided, ``take`` puts there."""

    def __init__(self, versions: Iterable[Version] = ()) -> None:
        self._versions: dict[int, list[Version]] = {}
        for version in versions:
            self.take(version)

    def take(self, version: Version) -> None:
        """Puts a version on the shelf; they come in order."""
        self._versions.setdefault(version.template_id, []).append(version)

    # --- questions: everybody sees their own templates and the shared ones ---

    def listed(self, asker: str, *, hidden: bool = False) -> list[Json]:
        """The templates that ``asker`` sees, by title; or those of them that were deleted."""
        newest = [versions[-1] for versions in self._versions.values()]
        seen = [one for one in newest if one.hidden is hidden and _sees(asker, one)]
        return [_template(one) for one in sorted(seen, key=lambda one: (one.title.casefold(), one.template_id))]

    def told(self, asker: str, template_id: int) -> Json:
        """A template with its versions, newest first; of another's, those in which it was shared."""
        newest = self._newest(asker, template_id)
        seen = [one for one in reversed(self._versions[template_id]) if _sees(asker, one)][:MOST_VERSIONS]
        return _template(newest) | {"versions": [_version(one) for one in seen]}

    def _newest(self, asker: str, template_id: int) -> Version:
        versions = self._versions.get(template_id)
        if versions is None or not _sees(asker, versions[-1]):
            raise UnknownTemplate(
                f"There is no template {template_id}, or not for you to see. Choose one that is listed."
            )
        return versions[-1]

    # --- decisions ---

    def new(self, at: int, asker: str, *, title: str, body: str, shared: bool) -> Version:
        """A template of ``asker``'s own. Raises ``InvalidInput`` or ``TooManyTemplates``."""
        title, body = checked_title(title), checked_text(body)
        self._check_room(asker)
        return Version(max(self._versions, default=0) + 1, 1, at, asker, asker, title, body, shared)

    def changed(
        self, at: int, asker: str, template_id: int, *, title: str, body: str, shared: bool, version: int
    ) -> Version | None:
        """The next version, made from ``version``; None where nothing differs. A deleted template is there again.

        Raises ``UnknownTemplate``, ``InvalidInput``, ``TemplateChanged`` where ``version`` is not the newest, and
        ``Forbidden`` where one who does not own it would keep it from the others.
        """
        newest = self._newest(asker, template_id)
        title, body = checked_title(title), checked_text(body)
        if version != newest.version:
            raise TemplateChanged(
                f"{newest.changed_by} has changed this template meanwhile. Look at it again, and change what it is now."
            )
        if newest.shared and not shared and newest.owner != asker:
            raise Forbidden(f"This template is {newest.owner}'s: only {newest.owner} can stop sharing it.")
        wanted = replace(newest, title=title, body=body, shared=shared, hidden=False)
        if wanted == newest:
            return None
        if newest.hidden:
            self._check_room(newest.owner)
        return replace(wanted, version=newest.version + 1, changed_at=at, changed_by=asker)

    def deleted(self, at: int, asker: str, template_id: int) -> Version | None:
        """The version that hides a template; None where it is hidden already. Raises ``UnknownTemplate``."""
        newest = self._newest(asker, template_id)
        if newest.hidden:
            return None
        return replace(newest, hidden=True, version=newest.version + 1, changed_at=at, changed_by=asker)

    def _check_room(self, owner: str) -> None:
        there = sum(one[-1].owner == owner and not one[-1].hidden for one in self._versions.values())
        if there >= MOST_TEMPLATES:
            raise TooManyTemplates(f"{owner} has {there} templates, the most there can be. Delete one first.")


def _sees(asker: str, one: Version) -> bool:
    return one.shared or one.owner == asker


def _version(one: Version) -> Json:
    return {
        "version": one.version,
        "title": one.title,
        "body": one.body,
        "shared": one.shared,
        "hidden": one.hidden,
        "changed_at": to_iso(one.changed_at),
        "changed_by": one.changed_by,
    }


def _template(one: Version) -> Json:
    return (
        {"template_id": one.template_id, "owner": one.owner} | _version(one) | {"placeholders": placeholders(one.body)}
    )


class Keeper(Protocol):
    """Who keeps the versions of a shelf."""

    def shelf(self) -> Shelf:
        """The shelf as it is now."""

    def keep(self, decide: Decision) -> Version | None:
        """Keeps and returns what is decided on the shelf as it is now, at the keeper's time; nobody else decides
        meanwhile."""


class KeptInMemory:
    """The keeper of a floor without a server: what it keeps ends with it. ``clock`` gives the time in µs."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._shelf = Shelf()

    def shelf(self) -> Shelf:
        """The shelf as it is now."""
        return self._shelf

    def keep(self, decide: Decision) -> Version | None:
        """Keeps what is decided."""
        version = decide(self._shelf, self._clock())
        if version is not None:
            self._shelf.take(version)
        return version
