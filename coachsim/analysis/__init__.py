"""Questions asked of a message log, answered as DataFrames: who had not read, how long reading took, who was there.

================  ==============================================================================
``unread_rates``  the share sent and not read by a moment, and the share lost by then
``lost``          the share that became unreadable unread, and how
``time_to_read``  seconds until a quarter, half, three quarters, 90 % have been read
``read_curve``    the share read within so many seconds, as steps to draw
``reach``         how far one message got
``load``          messages per agent and day
``presence``      the share of time logged in, on a break and logged out
================  ==============================================================================

Each takes a ``MessageLog`` (of a real floor, a practice floor or a simulated day alike) and works in its database, so
that ten million deliveries take a second or two. Rates always stand beside their counts. Answers come in the order of
their keys and have their columns and types also when they are empty.

>>> with open_log("data/live") as log:
...     analysis.unread_rates(log, by=["team", "hour"])[["team", "hour", "sent", "read", "unread_rate"]]
    team  hour  sent  read  unread_rate
0   Blue    10     4     3         0.25
1   Blue    11     1     1         0.00
2   Blue    12     1     1         0.00
3  Green    10     2     1         0.50
4  Green    11     1     1         0.00
5  Green    12     3     0         1.00
"""

from coachsim.analysis.activity import load, presence
from coachsim.analysis.rates import lost, reach, unread_rates
from coachsim.analysis.reading import read_curve, time_to_read

__all__ = ["load", "lost", "presence", "reach", "read_curve", "time_to_read", "unread_rates"]
