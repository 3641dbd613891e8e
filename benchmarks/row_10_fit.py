"""Row 10: an attention fitted to 30 days of 250 agents takes less time than simulating those 30 days into a log.

Reading the log, every number with its interval; ``weekday.toml``, played by the array code. The seconds of the fit by
itself stand in the table: a page that fits while its user waits has these.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import interleaved, line, ms, ratio
from coachsim import Scenario, fit, open_log, simulate

WEEKDAY = Path(__file__).parents[1] / "data" / "scenarios" / "weekday.toml"
DAYS = 30


def main() -> None:
    """Prints the row."""
    usual = Scenario.load(WEEKDAY)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "month.duckdb"
        simulate(usual, seed=1, days=DAYS, player="arrays", out=path).close()
        with open_log(path) as log:
            fitted = fit(log)
            ours, reference = interleaved(
                lambda: fit(log),
                lambda: simulate(usual, seed=2, days=DAYS, player="arrays").close(),
                rounds=3,
            )
    claim = f"10: attention fitted to {DAYS} days of {fitted.agents} agents, {fitted.deliveries:,} deliveries"
    print(line(claim, ms(ours), f"simulating them into a log {ms(reference)}", ratio(ours, reference), 1.0))


if __name__ == "__main__":
    main()
