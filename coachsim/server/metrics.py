"""What Prometheus reads at ``/metrics``, in a registry of the server's own. docs/operations.md says what each means."""

from __future__ import annotations

import shutil
import time
from collections import Counter as Count
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coachsim import __version__
from coachsim.events import Event, Read, Sent
from coachsim.host import FloorHost
from coachsim.log.file import FORMAT, wal_of

if TYPE_CHECKING:
    from coachsim.server.stalls import Stalls
    from coachsim.server.stream import Streams


class Metrics:
    """The server's counters. ``desk`` is set where there is one: whether it is there, how many pages are open."""

    desk: Callable[[], tuple[bool, int]] | None = None

    def __init__(self, host: FloorHost, streams: Streams, stalls: Stalls) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("coachsim_requests", "Requests answered", ["method", "status"], registry=self._registry)
        self.seconds = Histogram("coachsim_request_seconds", "Time to answer a request", registry=self._registry)
        self._messages = Counter("coachsim_messages", "Messages sent", registry=self._registry)
        self._deliveries = Counter("coachsim_deliveries", "Deliveries made", registry=self._registry)
        self._reads = Counter("coachsim_reads", "Deliveries read", registry=self._registry)
        said = "Passwords that were right, wrong, or not looked at after too many wrong ones"
        self.sign_ins = Counter("coachsim_sign_ins", said, ["outcome"], registry=self._registry)
        for outcome in ("right", "wrong", "held"):
            self.sign_ins.labels(outcome)
        said = "When this server last made a backup of its log; 0 = not since its start"
        self._backup = Gauge("coachsim_backup_timestamp_seconds", said, registry=self._registry)
        self._registry.register(_FloorGauges(host, streams, stalls))
        self._registry.register(_DeskGauges(self))
        ProcessCollector(registry=self._registry)
        host.watch(self._on_event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Sent):
            self._messages.inc()
            self._deliveries.inc(len(event.agent_ids))
        elif isinstance(event, Read):
            self._reads.inc(len(event.message_ids))

    def backed_up(self) -> None:
        """A backup has been made."""
        self._backup.set(time.time())

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _DeskGauges(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Nothing where there is no desk: none is missing then."""
        if self._metrics.desk is not None:
            there, pages = self._metrics.desk()
            yield GaugeMetricFamily("coachsim_desk_up", "Whether the desk (Voila) answers", int(there))
            yield GaugeMetricFamily("coachsim_desk_pages", "Pages of the desk that are open", pages)


class _FloorGauges(Collector):
    """Read off the floor when asked, so that they cost nothing in between."""

    def __init__(self, host: FloorHost, streams: Streams, stalls: Stalls) -> None:
        self._host = host
        self._streams = streams
        self._stalls = stalls

    def collect(self) -> Iterable[Metric]:
        """The gauges as they are now."""
        yield GaugeMetricFamily("coachsim_streams", "Open event streams", len(self._streams))
        yield GaugeMetricFamily("coachsim_agent_pages", "Agents with a page open", self._streams.connected_agents)
        yield CounterMetricFamily("coachsim_streams_dropped", "Streams that did not read", self._streams.dropped)
        yield GaugeMetricFamily("coachsim_event_seq", "Newest committed event", self._host.seq)
        said = "Longest time in the last minute that the server's loop was held up"
        yield GaugeMetricFamily("coachsim_loop_stall_seconds_max", said, self._stalls.longest)
        yield GaugeMetricFamily("coachsim_faults", "Things that are wrong now", len(self._host.faults))
        fault = GaugeMetricFamily("coachsim_fault", "1 for each thing that is wrong now", labels=["kind"])
        for kind in self._host.fault_kinds:
            fault.add_metric([kind], 1)
        yield fault
        info = GaugeMetricFamily("coachsim_info", "What runs here", labels=["version", "mode", "log_format"])
        info.add_metric([__version__, self._host.mode, str(FORMAT)], 1)
        yield info
        waiting = self._host.deciding.seq - self._host.seq
        yield GaugeMetricFamily("coachsim_events_waiting", "Events that are not committed yet", waiting)
        day = self._host.floor.day
        if day is not None:
            said = "When the open day's clear-down is due; in the past: overdue"
            yield GaugeMetricFamily("coachsim_clear_down_timestamp_seconds", said, day.ends_at / 1_000_000)
        path = self._host.writer.path
        yield GaugeMetricFamily("coachsim_log_bytes", "Size of the log", sum(map(_size, (path, wal_of(path)))))
        free = shutil.disk_usage(path.parent).free
        yield GaugeMetricFamily("coachsim_disk_free_bytes", "Room on the log's disk", free)
        agents = GaugeMetricFamily("coachsim_agents", "Active agents by state", labels=["state"])
        states = Count(row.state.value for row in self._host.floor.agents.values() if row.agent.active)
        for state, number in sorted(states.items()):
            agents.add_metric([state], number)
        yield agents


def _size(path: Path) -> int:
    with suppress(OSError):  # DuckDB makes and removes its second file as it needs it
        return path.stat().st_size
    return 0
