"""Row 7: every question of ``coachsim.analysis`` on ten million deliveries, at most 1.3 times the ideal table's time.

The ideal table is what nobody has: each delivery of the closed days and the open one as a plain row of one table,
with the hour, the priority, the sender and the agent's campaigns beside it. The same question is written for it by
hand, and both answers have to be the same. Row 7b asks pandas, with the columns needed already in memory.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pandas as pd

from benchmarks import big_log
from benchmarks.harness import interleaved, line, ms, ratio
from coachsim import analysis, open_log
from coachsim.log import MessageLog

DELIVERIES = 10_000_000
_ROUNDS = 3
_COUNTS = "count(*) AS sent, count(notified_at) AS notified, count(read_at) AS read"
_RATES = "(sent - read) / sent AS unread_rate, lost / sent AS lost_rate"

_IDEAL = """
    CREATE TABLE ideal AS
    SELECT deliveries.*, hour(timezone($zone, timezone('UTC', deliveries.sent_at))) AS hour, priority, sender, campaigns
    FROM log.deliveries
    JOIN log.messages USING (message_id)
    JOIN log.agent_versions AS held ON held.agent_id = deliveries.agent_id
         AND deliveries.sent_at >= valid_from AND (valid_to IS NULL OR deliveries.sent_at < valid_to)
    ORDER BY message_id, agent_id
"""
_IDEAL_STATES = """
    CREATE TABLE ideal_states AS
    SELECT agent_id, seq, state, changed_at, timezone($zone, timezone('UTC', changed_at)) AS local_at
    FROM log.all_state_changes ORDER BY seq
"""


def rates(by: str = "", counts: str = f"{_COUNTS}, count(lost_at) AS lost", source: str = "ideal") -> str:
    """Unread and lost rates by hand."""
    key = f"{by}, " if by else ""
    order = f"ORDER BY {by}" if by else ""
    return (
        f"SELECT {key}sent, notified, read, sent - read AS unread, * EXCLUDE ({key}sent, notified, read), {_RATES}"
        f" FROM (SELECT {key}{counts} FROM {source} GROUP BY ALL) {order}"
    )


def steps(newest: str, by: str = "", since: str = "sent_at", where: str = "true") -> str:
    """Kaplan-Meier by hand: ``WITH … steps`` with the band of each group and second."""
    key = f"{by}, " if by else ""
    up, down = (f"(PARTITION BY {key}s IS NULL ORDER BY s {way} ROWS UNBOUNDED PRECEDING)" for way in ("", "DESC"))
    return f"""
        WITH gone AS (
            SELECT {key}date_sub('second', {since}, coalesce(read_at, lost_at, {newest})) AS s,
                   {_COUNTS}, count(lost_at) AS lost
            FROM ideal WHERE {where} GROUP BY ALL
        ),
        risks AS (SELECT *, CAST(sum(sent) OVER {down} AS DOUBLE) AS risk FROM gone),
        shares AS (
            SELECT *, product((risk - read) / risk) OVER {up} AS share, sum(read) OVER {up} AS so_far,
                   sqrt(sum(read / (risk * nullif(risk - read, 0))) OVER {up}) AS spread
            FROM risks
        ),
        steps AS (
            SELECT *, pow(share, exp(1.959963984540054 * spread / -ln(nullif(nullif(share, 0), 1)))) AS low,
                   pow(share, exp(-1.959963984540054 * spread / -ln(nullif(nullif(share, 0), 1)))) AS high
            FROM shares
        )"""


def times(newest: str, by: str = "", since: str = "sent_at") -> str:
    """Quantiles of the time to read by hand, as far as the table is compared."""
    key = f"{by}, " if by else ""
    least = ", ".join(
        f"min(s) FILTER ({share} <= {limit} + 1e-9) AS {name}"
        for name, share, limit in [
            ("q25_s", "share", 0.75),
            ("median_s", "share", 0.5),
            ("q75_s", "share", 0.25),
            ("q90_s", "share", 0.1),
            ("median_low_s", "coalesce(low, share)", 0.5),
            ("median_high_s", "high", 0.5),
        ]
    )
    return (
        f"{steps(newest, by, since)} SELECT {key}sum(sent)::BIGINT AS sent, sum(notified)::BIGINT AS notified,"
        f" sum(read)::BIGINT AS read, {least} FROM steps GROUP BY ALL {f'ORDER BY {by}' if by else ''}"
    )


def curve(newest: str, by: str = "", where: str = "true") -> str:
    """The read curve by hand."""
    key = f"{by}, " if by else ""
    return (
        f"{steps(newest, by, where=where)} SELECT {key}s AS seconds, risk::BIGINT AS at_risk, so_far::BIGINT AS read,"
        f" 1 - share AS read_rate, 1 - high AS low, 1 - low AS high FROM steps WHERE read > 0 ORDER BY {key}s"
    )


_LOAD = """
    SELECT day, sum(n)::BIGINT AS sent, count(DISTINCT agent_id) AS agents, count(*) AS agent_days,
           avg(n) AS per_agent_day, max(n) AS most
    FROM (SELECT day, agent_id, count(*) AS n FROM ideal GROUP BY ALL) GROUP BY ALL ORDER BY day
"""
_PRESENCE = """
    WITH stays AS (
        SELECT state, local_at AS since, lead(local_at) OVER (PARTITION BY agent_id ORDER BY seq) AS until
        FROM ideal_states
    ),
    parts AS (
        SELECT state, since, until, unnest(generate_series(date_trunc('hour', since), until, INTERVAL 1 HOUR)) AS begins
        FROM stays WHERE state <> 'logged_out'
    )
    SELECT hour(begins) AS hour, state,
           sum(epoch_us(least(until, begins + INTERVAL 1 HOUR)) - epoch_us(greatest(since, begins))) / 3.6e9 AS hours
    FROM parts GROUP BY ALL ORDER BY ALL
"""


def questions(log: MessageLog) -> Iterator[tuple[str, Callable[[], pd.DataFrame], str]]:
    """What is asked, of the package and of the ideal table."""
    newest = f"TIMESTAMP '{log.newest()}'"
    message_id = int(log.messages()["message_id"].iloc[-100])
    at = log.sql("SELECT quantile_disc(began_at, 0.5) AS half FROM days")["half"][0] + pd.Timedelta(hours=15)
    then = f"sent_at <= TIMESTAMP '{at}'"
    by_then = ", ".join(
        f"count(*) FILTER ({name}_at <= TIMESTAMP '{at}') AS {name}" for name in ("sent", "notified", "read", "lost")
    )
    held = "(SELECT unnest(campaigns) AS campaign, * FROM ideal)"
    expired = (
        f"{_COUNTS}, count(lost_at) AS lost,"
        " count(*) FILTER (lost_at < coalesce(cleared_at, 'infinity')) AS lost_expired,"
        " count(lost_at) FILTER (notified_at IS NULL) AS lost_not_notified"
    )
    yield "unread, total", lambda: analysis.unread_rates(log), rates()
    yield "unread by team, hour", lambda: analysis.unread_rates(log, ["team", "hour"]), rates("team, hour")
    yield "unread by day", lambda: analysis.unread_rates(log, "day"), rates("day")
    yield "unread by priority, sender", lambda: analysis.unread_rates(log, ["priority", "sender"]), rates(
        "priority, sender"
    )  # fmt: skip
    yield "unread by campaign", lambda: analysis.unread_rates(log, "campaign"), rates("campaign", source=held)
    yield "unread at a moment", lambda: analysis.unread_rates(log, "team", at=at), rates(
        "team", by_then, f"(FROM ideal WHERE {then})"
    )  # fmt: skip
    yield "lost by state", lambda: analysis.lost(log, "state_at_send"), rates("state_at_send", expired)
    yield "time to read", lambda: analysis.time_to_read(log), times(newest)
    yield "time to read by team, hour", lambda: analysis.time_to_read(log, ["team", "hour"]), times(
        newest, "team, hour"
    )  # fmt: skip
    yield "since the notice, by team", lambda: analysis.time_to_read(log, "team", since="notified"), times(
        newest, "team", "notified_at"
    )  # fmt: skip
    yield "read curves by priority", lambda: analysis.read_curve(log, by="priority"), curve(newest, "priority")
    only = f"message_id = {message_id}"
    yield "read curve of a message", lambda: analysis.read_curve(log, message_id), curve(newest, where=only)
    yield (
        "reach of a message",
        lambda: analysis.reach(log, message_id),
        (
            "SELECT count(*) AS sent, count(*) FILTER (notified_at IS NULL) AS not_logged_in,"
            " count(notified_at) FILTER (read_at IS NULL) AS notified_unread,"
            " count(read_at) FILTER (acknowledged_at IS NULL) AS read, count(acknowledged_at) AS acknowledged"
            f" FROM ideal WHERE {only}"
        ),
    )
    yield "load by day", lambda: analysis.load(log), _LOAD
    yield "presence by hour", lambda: analysis.presence(log), _PRESENCE


def same(ours: pd.DataFrame, reference: pd.DataFrame) -> None:
    """Raises where the two answers differ in what both of them say."""
    if "hours" in reference:  # presence, state by state; the ideal table does not say when the log ends
        reference = (
            reference.pivot(index="hour", columns="state", values="hours")
            .fillna(0.0)  # nobody on a break at that hour
            .add_suffix("_h")
            .reset_index()
            .rename_axis(columns=None)
        )
        ours = ours[ours["hour"].isin(reference["hour"])]
    if "read_rate" in reference:
        within = ours["read_rate"].between(0, 1, inclusive="neither") & (ours["read"].diff() != 0)
        ours, reference = ours[within], reference[reference["read_rate"].between(0, 1, inclusive="neither")]
    shared = [column for column in reference if column in ours]
    compared = []
    for frame in (ours[shared], reference[shared]):
        numbers = frame.select_dtypes("number").columns
        compared.append(frame.astype(dict.fromkeys(numbers, "float64")).reset_index(drop=True))
    pd.testing.assert_frame_equal(*compared, check_dtype=False, rtol=1e-6)


def main(deliveries: int = DELIVERIES) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.duckdb"
        count = big_log.make(path, deliveries)
        with duckdb.connect(str(Path(folder) / "ideal.duckdb")) as ideal:
            ideal.execute("SET enable_progress_bar = false")
            ideal.execute(f"ATTACH '{path}' AS log (READ_ONLY)")
            ideal.execute(_IDEAL, {"zone": big_log.TIME_ZONE})
            ideal.execute(_IDEAL_STATES, {"zone": big_log.TIME_ZONE})
            ideal.execute("DETACH log")
            ideal.execute("CHECKPOINT")
            with open_log(path) as log:
                for name, ask, sql in questions(log):
                    same(ask(), ideal.execute(sql).df())
                    ours, theirs = interleaved(
                        ask, lambda sql=sql: ideal.execute(sql).df(), rounds=1 if "presence" in name else _ROUNDS
                    )
                    claim = f"7: {name}, {count / 1e6:.1f} million deliveries"
                    print(line(claim, ms(ours), f"ideal table {ms(theirs)}", ratio(ours, theirs), 1.3), flush=True)
                against_pandas(log, count)


def against_pandas(log: MessageLog, count: int) -> None:
    """Row 7b."""
    columns = "team, sent_at, notified_at, read_at, lost_at"
    frame = log.sql(f"SELECT {columns} FROM deliveries")
    newest = pd.Timestamp(log.newest())
    local = frame["sent_at"].dt.tz_localize("UTC").dt.tz_convert(big_log.TIME_ZONE)

    def by_team_and_hour() -> pd.DataFrame:
        counted = frame.groupby(["team", local.dt.hour.rename("hour")])[["sent_at", "notified_at", "read_at"]].count()
        counted.columns = ["sent", "notified", "read"]
        counted["unread_rate"] = 1 - counted["read"] / counted["sent"]
        return counted.reset_index()

    def quantiles() -> pd.DataFrame:
        ends = frame["read_at"].fillna(frame["lost_at"]).fillna(newest)
        seconds = (ends - frame["sent_at"]).dt.floor("s")
        gone = frame["read_at"].groupby(seconds).agg(["size", "count"])
        share = (1 - gone["count"] / gone["size"][::-1].cumsum()[::-1]).cumprod()
        wanted = {"q25_s": 0.75, "median_s": 0.5, "q75_s": 0.25, "q90_s": 0.1}
        reached = {name: share[share <= limit + 1e-9].index for name, limit in wanted.items()}
        return pd.DataFrame({name: [found.min().total_seconds()] for name, found in reached.items()})

    for name, ask, by_pandas in (
        ("unread by team, hour", lambda: analysis.unread_rates(log, ["team", "hour"]), by_team_and_hour),
        ("quantiles of the time to read", lambda: analysis.time_to_read(log), quantiles),
    ):
        same(ask(), by_pandas())
        ours, theirs = interleaved(ask, by_pandas, rounds=_ROUNDS)
        claim = f"7b: {name}, {count / 1e6:.1f} million deliveries"
        print(line(claim, ms(ours), f"pandas {ms(theirs)}", ratio(ours, theirs), 0.25, " (4× faster)"), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
