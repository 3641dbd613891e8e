"""Counting on a Dask cluster: the optional part of an experiment, imported only when a cluster is given."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import coachsim
from coachsim.errors import CoachsimError
from coachsim.experiment.work import Task, Variant, Workers, WorkersLost
from coachsim.tally import Tally

PACKAGES = ("numpy", "pydantic", "simpy", "tzdata")
"""What a day's numbers hang on, besides coachsim and Python."""
_TIMEOUT_S = 10


class ClusterError(CoachsimError):
    """A cluster that cannot be used: not installed, not there, or with other versions."""

    code = "cluster"
    http_status = 503


def versions() -> dict[str, str]:
    """The versions here of what a day's numbers hang on."""
    here = {"coachsim": coachsim.__version__, "python": platform.python_version()}
    return here | {name: metadata.version(name) for name in PACKAGES}


class _Cluster:
    def __init__(self, client: Any, variants: Sequence[Variant], hands: int):
        self._client = client
        self._variants = client.scatter(list(variants), hash=False)
        self.hands = hands
        self._waiting: dict[Any, Task] = {}

    def counted(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Tally]]:
        self._waiting = {
            self._client.submit(Variant.counted, self._variants[task.variant], task.seeds, pure=False): task
            for task in tasks
        }
        return self._done(list(self._waiting))

    def begun(self) -> Iterator[tuple[Task, Tally]]:
        with_workers = {key for keys in self._client.processing().values() for key in keys}
        begun = [one for one in self._waiting if one.status == "finished" or one.key in with_workers]
        self._client.cancel([one for one in self._waiting if one not in begun])
        return self._done(begun)

    def _done(self, futures: list[Any]) -> Iterator[tuple[Task, Tally]]:
        from distributed import KilledWorker, as_completed

        try:
            for done in as_completed(futures, loop=self._client.loop):  # type: ignore[no-untyped-call]
                yield self._waiting[done], done.result()
        except KilledWorker as error:
            raise WorkersLost("A worker of the cluster ended again and again, perhaps for want of memory.") from error


@contextmanager
def cluster(where: Any, variants: Sequence[Variant]) -> Iterator[Workers]:
    """The workers of a cluster, given as a ``distributed.Client`` or as its scheduler's address.

    Raises ``ClusterError`` if it cannot be used.
    """
    try:
        import distributed
    except ModuleNotFoundError:
        raise ClusterError("A cluster needs the package distributed: pip install coachsim[cluster]") from None
    given = isinstance(where, distributed.Client)
    if not given and not isinstance(where, str):
        raise ClusterError(
            f"cluster is a distributed.Client or a scheduler's address such as tcp://10.0.0.5:8786, not {where!r}."
        )
    try:
        client: Any = where
        if not given:
            client = distributed.Client(where, timeout=_TIMEOUT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterError(f"No cluster answers at {where}: is the scheduler running there? ({error})") from error
    try:
        hands = sum(client.nthreads().values())
        if not hands:
            raise ClusterError("The cluster has no workers. Start some with 'dask worker ADDRESS'.")
        check_versions(versions(), client.run(_versions_there(), on_error="return"))
        yield _Cluster(client, variants, hands)
    finally:
        if not given:
            client.close()


def check_versions(here: dict[str, str], there: dict[str, Any]) -> None:
    """Raises ``ClusterError`` that names every version of a worker (by address) that differs from the one here.

    Other versions may draw or round otherwise, and a mixture would look like chance.
    """
    faults = []
    for address, found in sorted(there.items()):
        if not isinstance(found, dict):
            faults.append(f"{address} could not be asked ({found})")
            continue
        for name, version in here.items():
            if found.get(name) != version:
                faults.append(f"{address} has {name} {found.get(name) or 'not at all'}, here it is {version}")
    if faults:
        raise ClusterError(f"The workers need the same versions as this machine: {'; '.join(faults)}.")


def _versions_there() -> Any:
    """What a worker is asked. A function in a function travels whole: a worker without coachsim can answer too."""
    names = PACKAGES

    def ask() -> dict[str, str | None]:
        import platform
        from importlib import metadata

        found: dict[str, str | None] = {"python": platform.python_version()}
        for name in names:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                found[name] = None
        try:
            import coachsim
        except ModuleNotFoundError:
            found["coachsim"] = None
        else:
            found["coachsim"] = coachsim.__version__
        return found

    return ask
