"""The notebooks run from top to bottom, each in a kernel of its own, and show what they promise.

Those that ask a log are in test_log_notebooks.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from tests.notebooks.running import NOTEBOOKS, WIDGET, Cells, asks_a_log, complaints, numbers, read, run, text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def outputs() -> Callable[[str], Cells]:
    """Runs a notebook, once."""
    return cache(run)


@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if not asks_a_log(name)])
def test_it_runs_and_complains_of_nothing(outputs, name: str) -> None:
    cells = outputs(name)
    assert any(cells.values())
    assert complaints(cells) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_says_its_question_and_loads_nothing_from_outside(name: str) -> None:
    first, *cells = read(name).cells
    assert first["source"].startswith("# ")
    assert first["source"].partition("\n")[0].endswith("?")
    assert not [cell["id"] for cell in cells if "http://" in cell["source"] or "https://" in cell["source"]]
    assert max(len(cell["source"].splitlines()) for cell in cells) <= 30, "short cells"


def test_the_practice_floor_shows_its_page_and_half_of_them_have_read(outputs) -> None:
    cells = outputs("01_practice_floor.ipynb")
    (page,) = cells["page"]
    assert WIDGET in page["data"]
    (said,) = cells["wait"]
    read, recipients = (int(word) for word in said["data"]["text/plain"].strip("'").split() if word.isdigit())
    assert recipients > 20
    assert read >= recipients / 2
    (table,) = cells["deliveries"]
    assert table["data"]["text/plain"].count("read") >= recipients / 2


def test_when_to_send_names_a_quicker_time_that_is_not_lunch(outputs) -> None:
    cells = outputs("02_when_to_send.ipynb")
    for chart in ("half", "lost"):
        assert WIDGET in cells[chart][-1]["data"]
    said = re.search(
        r"send it at (\d\d:\d\d): half have read it after (\d+) min, at 09:05 after (\d+) min", text(cells, "answer")
    )
    assert said is not None
    assert said[1] in ("09:40", "10:15", "11:00", "12:00", "14:00", "15:00")
    assert int(said[2]) < int(said[3]) / 2
    worse = {line.split()[0]: numbers(line[5:])[0] for line in text(cells, "worse").splitlines()[2:]}
    assert worse["08:30"] == 0 < worse["14:00"] < worse["16:00"]


def test_staggered_breaks_are_no_better_on_average_and_far_better_at_worst(outputs) -> None:
    cells = outputs("03_staggered_breaks.ipynb")
    _, _, difference, low, high = numbers(text(cells, "average").splitlines()[1])
    assert low <= difference <= high
    assert abs(difference) < 1
    at_once_best, at_once_worst, groups_best, groups_worst = numbers(text(cells, "answer").replace("in five", ""))
    assert at_once_worst > 4 * groups_worst
    assert at_once_best <= groups_best


def test_many_messages_help_without_fatigue_and_harm_with_it(outputs) -> None:
    cells = outputs("04_how_many_messages.ipynb")
    few, *_, many = (numbers(line)[1:] for line in text(cells, "answer").splitlines()[2:])
    assert few == sorted(few) and many == sorted(many)
    assert many[0] < few[0]
    assert many[-1] > few[-1]
    assert "Campaign overload" in text(cells, "bundled")


def test_longer_toasts_buy_less_and_less(outputs) -> None:
    cells = outputs("05_toast_seconds.ipynb")
    minutes = {row[0]: row[1] for row in map(numbers, text(cells, "answer").splitlines()[2:])}
    assert minutes[2] > minutes[4] > minutes[8] == 0 > minutes[15] > minutes[30]
    assert minutes[4] - minutes[8] > minutes[8] - minutes[15] > minutes[15] - minutes[30]


def test_the_validation_finds_no_fault(outputs) -> None:
    cells = outputs("06_validation.ipynb")
    deliveries, differing, smallest = numbers(text(cells, "answer"))
    assert deliveries > 10_000
    assert differing == 0
    assert smallest > 0.001
    held = [
        numbers(line)[0] for line in text(cells, "coverage").splitlines() if line.startswith(("share", "difference"))
    ]
    # 95 of 100 are expected; fewer than 88 would be found about once in 700 times.
    assert all(88 <= one <= 100 for one in held[:2])
    (_, twins), (_, strangers) = (numbers(line)[-2:] for line in text(cells, "paired").splitlines()[1:])
    assert strangers > 3 * twins
