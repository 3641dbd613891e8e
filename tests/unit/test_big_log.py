"""Row 7's log: each question has the answer that the ideal table gives, before and after a change of clocks."""

from __future__ import annotations

import pytest

from benchmarks import row_7_analysis

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_package_answers_each_question_as_the_ideal_table_does(capsys: pytest.CaptureFixture[str]) -> None:
    row_7_analysis.main(100_000)  # refuses answers that differ; nine days, of which two have summer time
    assert capsys.readouterr().out.count("| 7: ") == 15
