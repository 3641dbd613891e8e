"""The picture of a fitted attention: lines and bands, what it says in words, in both looks and of nothing."""

from __future__ import annotations

from coachsim.charts import offline, theme
from coachsim.charts.attention import goodness

ROWS = [
    {"what": what, "deliveries": 1_200, "seconds": seconds, "observed": share, "expected": share + off, "low": share,
     "high": share + 2 * off}
    for what, off in (("read, since the toast", 0.01), ("confirmed, since read", 0.123))
    for seconds, share in ((5.0, 0.1), (60.0, 0.4), (3_600.0, 0.7))
]  # fmt: skip


def test_it_is_a_picture_with_title_and_caption_in_both_looks_without_the_network():
    for dark, look in ((False, theme.LIGHT), (True, theme.DARK)):
        chart = goodness(ROWS, replays=20, dark=dark)
        picture = offline.svg(chart)
        assert look.soft in picture and look.accent in picture
        assert '"url"' not in chart.to_json()
        for text in ("Does the fitted attention describe the log?", "read, since the toast (1,200)", "5 min"):
            assert text in picture
        assert "read again 20 times" in " ".join(chart.to_dict()["title"]["subtitle"])
    assert offline.png(chart, scale=1).startswith(b"\x89PNG")


def test_the_text_alternative_says_how_far_each_line_is_off():
    assert goodness(ROWS).description == (
        "Does the fitted attention describe the log? read, since the toast: at most 1.0 percentage points from the"
        " model; confirmed, since read: at most 12.3 percentage points from the model."
    )


def test_each_line_has_a_band_of_its_own_rows():
    chart = goodness(ROWS).to_dict()
    bands = [layer for layer in chart["layer"] if layer["mark"]["type"] == "area"]
    kinds = [{row["what"] for row in chart["datasets"][layer["data"]["name"]]} for layer in bands]
    assert kinds == [{"read, since the toast (1,200)"}, {"confirmed, since read (1,200)"}]
    assert bands[0]["mark"]["color"] != bands[1]["mark"]["color"]


def test_nothing_to_compare_is_said():
    chart = goodness([])
    assert chart.description == "There was too little to compare."
    assert offline.png(chart, scale=1).startswith(b"\x89PNG")
