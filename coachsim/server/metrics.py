"""What Prometheus reads at ``/metrics``: a few counters and gauges, in a registry of the server's own."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coachsim.host import FloorHost
from coachsim.models import Event, Read, Sent

if TYPE_CHECKING:
    from coachsim.server.stalls import Stalls
    from coachsim.server.stream import Streams


class Metrics:
    """The server's counters."""

    def __init__(self, host: FloorHost, streams: Streams, stalls: Stalls) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("coachsim_requests", "Requests answered", ["method", "status"], registry=self._registry)
        self.seconds = Histogram("coachsim_request_seconds", "Time to answer a request", registry=self._registry)
        self._messages = Counter("coachsim_messages", "Messages sent", registry=self._registry)
        self._deliveries = Counter("coachsim_deliveries", "Deliveries made", registry=self._registry)
        self._reads = Counter("coachsim_reads", "Deliveries read", registry=self._registry)
        self._registry.register(_FloorGauges(host, streams, stalls))
        host.watch(self._on_event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Sent):
            self._messages.inc()
            self._deliveries.inc(len(event.agent_ids))
        elif isinstance(event, Read):
            self._reads.inc(len(event.message_ids))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


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
        agents = GaugeMetricFamily("coachsim_agents", "Active agents by state", labels=["state"])
        states = Count(row.state.value for row in self._host.floor.agents.values() if row.agent.active)
        for state, number in sorted(states.items()):
            agents.add_metric([state], number)
        yield agents
