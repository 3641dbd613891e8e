"""A Dask cluster counts the same as this machine, and says what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from distributed import Client, LocalCluster

from coachsim import compare
from coachsim.experiment import run
from coachsim.experiment.cluster import ClusterError, check_versions, versions
from coachsim.scenario import Scenario, ScenarioError
from tests.unit.days_of import message, scenario


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers that are processes of their own, as on other machines."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as local:
        yield local


def day(**values: Any) -> Scenario:
    """A small floor on which chance decides who reads."""
    given: dict[str, Any] = {
        "floor": {"agents": 15, "teams": 3},
        "absence": 0.2,
        "attention": {"tau_s": 8.0, "bell_never": 0.5, "open_sigma": 0.5},
        "messages": [message("10:00"), message("12:00", to="a team")],
    }
    return scenario(**given | values)


@pytest.mark.slow
def test_a_cluster_gives_the_same_tallies_as_this_machine(cluster: LocalCluster) -> None:
    scenarios = [day(), day(policy={"toast_seconds": 20.0})]
    expected = run(scenarios, replications=60, processes=1)
    by_address = run(scenarios, replications=60, cluster=cluster.scheduler_address)
    assert all(one.same_as(other) for one, other in zip(expected, by_address, strict=True))
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        pids = set(client.run(lambda: __import__("os").getpid()).values())
        by_client = run(scenarios, replications=60, cluster=client)
        assert client.status == "running"
        halfway = run(scenarios, half_width=0.02, measure="read_rate", cluster=client)
    assert len(pids) == 2
    assert all(one.same_as(other) for one, other in zip(expected, by_client, strict=True))
    here = run(scenarios, half_width=0.02, measure="read_rate", processes=1)
    assert all(one.same_as(other) for one, other in zip(here, halfway, strict=True))


@pytest.mark.slow
def test_an_interruption_and_an_error_leave_the_cluster_usable(cluster: LocalCluster) -> None:
    def stop(done: int, total: int) -> None:
        if done >= 2_000:
            raise KeyboardInterrupt

    with Client(cluster.scheduler_address, set_as_default=False) as client:
        table = compare(day(), replications=20_000, cluster=client, progress=stop)
        kept = len(table.attrs["seeds"])
        assert table.attrs["interrupted"] is True
        assert kept < 20_000
        assert table.equals(compare(day(), replications=kept, processes=1))
        with pytest.raises(ScenarioError, match="'nobody' is not on the roster"):
            compare(day(messages=[message(to={"agents": ["nobody"]})]), cluster=client)
        assert len(compare(day(), replications=30, cluster=client).attrs["seeds"]) == 30


def test_other_versions_are_named() -> None:
    mine = {"coachsim": "1.2", "python": "3.12.1", "numpy": "2.3"}
    check_versions(mine, {"tcp://a": dict(mine), "tcp://b": mine | {"extra": "1"}})
    there = {
        "tcp://a": mine | {"numpy": "2.2"},
        "tcp://b": mine | {"coachsim": None},
        "tcp://c": RuntimeError("out of reach"),
    }
    with pytest.raises(ClusterError) as caught:
        check_versions(mine, there)
    assert caught.value.message == (
        "The workers need the same versions as this machine: tcp://a has numpy 2.2, here it is 2.3; tcp://b has"
        " coachsim not at all, here it is 1.2; tcp://c could not be asked (out of reach)."
    )


@pytest.mark.slow
def test_a_workers_other_version_is_noticed(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coachsim.__version__", "99.0")
    with pytest.raises(ClusterError, match=r"tcp://127.0.0.1:\d+ has coachsim .*, here it is 99.0"):
        compare(day(), cluster=cluster.scheduler_address)
    assert versions()["coachsim"] == "99.0"


def test_a_cluster_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coachsim.experiment.cluster._TIMEOUT_S", 0.3)
    with pytest.raises(ClusterError, match=r"No cluster answers at tcp://127.0.0.1:1: is the scheduler running"):
        compare(day(), cluster="tcp://127.0.0.1:1")
    with pytest.raises(ClusterError, match="No cluster answers at nonsense://x"):
        compare(day(), cluster="nonsense://x")
    with pytest.raises(ClusterError, match=r"a scheduler's address such as .*, not 8786"):
        compare(day(), cluster=8786)


def test_without_the_package_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install coachsim\[cluster\]"):
        compare(day(), cluster="tcp://127.0.0.1:1")
