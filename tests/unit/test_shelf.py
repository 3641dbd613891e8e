"""Whose templates are whose, and that none of their versions is ever forgotten: in memory and in accounts.sqlite."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from coachsim.errors import Forbidden, TemplateChanged, TooManyTemplates, UnknownTemplate
from coachsim.server.kept_templates import KeptTemplates
from coachsim.server.store import ACCOUNTS_FILE, Store, StoreError
from coachsim.shelf import MOST_TEMPLATES, MOST_VERSIONS, Keeper, KeptInMemory


@pytest.fixture(params=["memory", "file"])
def keeper(request, tmp_path):
    if request.param == "memory":
        yield KeptInMemory(lambda: 7)
        return
    store = Store(tmp_path)
    yield KeptTemplates(store)
    store.close()


def new(keeper: Keeper, who: str, title: str = "One", body: str = "Text", *, shared: bool = False) -> int:
    made = keeper.keep(lambda shelf, at: shelf.new(at, who, title=title, body=body, shared=shared))
    assert made is not None
    return made.template_id


def change(keeper: Keeper, who: str, number: int, version: int, body: str = "Changed", *, shared: bool = False):
    return keeper.keep(
        lambda shelf, at: shelf.changed(at, who, number, title="One", body=body, shared=shared, version=version)
    )


def delete(keeper: Keeper, who: str, number: int):
    return keeper.keep(lambda shelf, at: shelf.deleted(at, who, number))


def titles(keeper: Keeper, who: str, *, hidden: bool = False) -> list[str]:
    return [one["title"] for one in keeper.shelf().listed(who, hidden=hidden)]


def test_own_ones_are_seen_by_their_owner_and_shared_ones_by_all(keeper):
    new(keeper, "kim", "Kim's")
    new(keeper, "kim", "everybody's", shared=True)
    own = new(keeper, "lee", "Lee's")
    assert titles(keeper, "kim") == ["everybody's", "Kim's"]
    assert titles(keeper, "lee") == ["everybody's", "Lee's"]
    for attempt in (
        lambda: keeper.shelf().told("kim", own),
        lambda: change(keeper, "kim", own, 1),
        lambda: delete(keeper, "kim", own),
    ):
        with pytest.raises(UnknownTemplate):
            attempt()
    assert keeper.shelf().told("lee", own)["version"] == 1


def test_a_shared_one_is_changed_and_deleted_by_all_but_kept_from_them_by_its_owner_only(keeper):
    number = new(keeper, "kim", shared=True)
    changed = change(keeper, "lee", number, 1, shared=True)
    assert (changed.owner, changed.changed_by, changed.version) == ("kim", "lee", 2)
    with pytest.raises(Forbidden, match="kim's"):
        change(keeper, "lee", number, 2, shared=False)
    assert delete(keeper, "lee", number).hidden
    assert titles(keeper, "kim") == titles(keeper, "lee") == []
    assert titles(keeper, "kim", hidden=True) == ["One"]
    assert change(keeper, "kim", number, 3, shared=False).version == 4
    assert titles(keeper, "lee") == titles(keeper, "lee", hidden=True) == []


def test_what_was_written_before_it_was_shared_is_the_owners(keeper):
    number = new(keeper, "kim", body="Not for all")
    change(keeper, "kim", number, 1, "For all", shared=True)
    assert [one["body"] for one in keeper.shelf().told("kim", number)["versions"]] == ["For all", "Not for all"]
    assert [one["body"] for one in keeper.shelf().told("lee", number)["versions"]] == ["For all"]


def test_two_who_change_one_version_do_not_overwrite_each_other(keeper):
    number = new(keeper, "kim", shared=True)
    change(keeper, "lee", number, 1, "Lee's words", shared=True)
    with pytest.raises(TemplateChanged, match="lee has changed"):
        change(keeper, "kim", number, 1, "Kim's words", shared=True)
    assert keeper.shelf().told("kim", number)["body"] == "Lee's words"
    assert change(keeper, "kim", number, 2, "Lee's words", shared=True) is None, "nothing differs"
    assert delete(keeper, "kim", number).version == 3
    assert delete(keeper, "kim", number) is None


def test_there_is_an_end_to_templates_but_not_to_versions(keeper):
    numbers = [new(keeper, "kim", f"T{n}") for n in range(MOST_TEMPLATES)]
    with pytest.raises(TooManyTemplates):
        new(keeper, "kim")
    new(keeper, "lee")
    delete(keeper, "kim", numbers[0])
    new(keeper, "kim", "instead")
    with pytest.raises(TooManyTemplates):
        change(keeper, "kim", numbers[0], 2)
    for version in range(1, MOST_VERSIONS + 10):
        change(keeper, "kim", numbers[1], version, f"Text {version}")
    told = keeper.shelf().told("kim", numbers[1])
    assert told["version"] == MOST_VERSIONS + 10
    assert [one["version"] for one in told["versions"]] == list(range(MOST_VERSIONS + 10, 10, -1))


def _write(folder: Path, who: str, many: int) -> None:
    store = Store(folder)
    keeper = KeptTemplates(store)
    for n in range(many):
        number = new(keeper, who, f"{who} {n}", shared=True)
        change(keeper, who, number, 1, shared=True)
    store.close()


def test_processes_that_write_at_the_same_time_lose_nothing_and_see_each_other(tmp_path):
    with closing(Store(tmp_path)) as store:
        watching = KeptTemplates(store)
        assert titles(watching, "kim") == []
        spawn = multiprocessing.get_context("spawn")
        writers = [spawn.Process(target=_write, args=(tmp_path, who, 20)) for who in ("kim", "lee")]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)
            assert writer.exitcode == 0
        seen = watching.shelf().listed("sup")
    assert len(seen) == 40 and len({one["template_id"] for one in seen}) == 40
    assert {one["version"] for one in seen} == {2}
    with closing(Store(tmp_path)) as store:
        assert KeptTemplates(store).shelf().listed("sup") == seen, "as it is read anew"


def test_a_file_of_before_there_were_templates_gets_their_table(tmp_path):
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / ACCOUNTS_FILE)) as db:
        db.execute("DROP TABLE template_version")
        db.execute("PRAGMA user_version = 2")
    with closing(Store(tmp_path)) as store:
        assert new(KeptTemplates(store), "kim") == 1


def test_where_the_disk_is_full_nothing_is_kept_and_it_goes_on_afterwards(tmp_path):
    with closing(Store(tmp_path)) as store:
        keeper = KeptTemplates(store)
        number = new(keeper, "kim")
        (pages,) = store.rows("PRAGMA page_count")[0]
        store.rows(f"PRAGMA max_page_count = {pages}")
        fills = _until_refused(lambda version: change(keeper, "kim", number, version, f"{version} " + "x" * 900))
        told = keeper.shelf().told("kim", number)
        assert told["version"] == fills
        store.rows(f"PRAGMA max_page_count = {pages + 100}")
        assert change(keeper, "kim", number, fills).version == fills + 1


def _until_refused(keep: Callable[[int], object]) -> int:
    for version in range(1, 100):
        try:
            keep(version)
        except StoreError as error:
            assert "cannot be written, so nothing was changed" in error.message and error.http_status == 503
            return version
    raise AssertionError("never refused")
