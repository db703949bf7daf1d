"""Dask: workers as batch jobs, or any scheduler that is running. Chunks go out in bundles; records stay in the folder.

Only numbers travel: a bundle is a list of chunk numbers, its result a list of outcomes. The scheduler of a campaign of
10⁵ chunks sees some thousand small tasks, few at a time.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smartbkg.campaign.chunk.attempt import Outcome, attempt_chunks
from smartbkg.campaign.config import CampaignConfig, ClusterSection
from smartbkg.campaign.engines.dispatcher import Dispatcher
from smartbkg.errors import MissingDependencyError, SmartBKGError, UsageError

if TYPE_CHECKING:
    from smartbkg.campaign.production import Engine

#: Batch system → class of dask-jobqueue, and the option that names the queue.
CLUSTERS: Final[Mapping[str, tuple[str, str]]] = {
    "slurm": ("SLURMCluster", "queue"),
    "htcondor": ("HTCondorCluster", ""),
    "pbs": ("PBSCluster", "queue"),
    "lsf": ("LSFCluster", "queue"),
    "sge": ("SGECluster", "queue"),
}
#: Bundles handed out for each worker, so that none waits for the next.
_AHEAD: Final = 1
_TICK: Final = 1.0
_CONNECT_SECONDS: Final = 30
_WORKERS_LOST: Final = 2


def cluster_options(place: str, cluster: ClusterSection, folder: Path) -> dict[str, Any]:
    """What a class of dask-jobqueue is made with."""
    logs = folder / "jobs" / "dask"
    options: dict[str, Any] = {
        "cores": cluster.cores,
        "memory": cluster.memory,
        "processes": 1,
        "log_directory": str(logs),
        "python": cluster.python or sys.executable,
        "job_script_prologue": list(cluster.prologue),
        "worker_extra_args": ["--lifetime-stagger", "2m"],
    }
    queue_option = CLUSTERS[place][1]
    if queue_option and cluster.queue is not None:
        options[queue_option] = cluster.queue
    if place == "htcondor":
        options["disk"] = "4GB"
        options["job_extra_directives"] = dict(_assignment(line) for line in cluster.directives)
    else:
        options["walltime"] = cluster.walltime if place != "lsf" else cluster.walltime.rpartition(":")[0]
        options["job_extra_directives"] = list(cluster.directives)
    if cluster.interface is not None:
        options["interface"] = cluster.interface
        options["scheduler_options"] = {"interface": cluster.interface, "dashboard_address": "127.0.0.1:0"}
    else:
        options["scheduler_options"] = {"dashboard_address": "127.0.0.1:0"}
    if cluster.account is not None and place in ("slurm", "pbs"):
        options["account"] = cluster.account
    if cluster.account is not None and place in ("lsf", "sge"):
        options["project"] = cluster.account
    return options


def _assignment(line: str) -> tuple[str, str]:
    key, equals, value = line.partition("=")
    if not equals:
        raise UsageError(f"cluster.directives: '{line}' is no assignment, as 'requirements = ...' for HTCondor")
    return key.strip(), value.strip()


def dask_engine(place: str, config: CampaignConfig) -> Engine:
    """The engine of a batch system, or of the scheduler at an address."""

    def run(root: Path, dispatcher: Dispatcher, n_workers: int, tick: Callable[[], None]) -> None:
        with _client(place, config, root, n_workers) as client:
            run_on_client(client, root, dispatcher, n_workers, tick)

    return run


@contextlib.contextmanager
def _client(place: str, config: CampaignConfig, root: Path, n_workers: int) -> Iterator[Any]:
    try:
        import distributed as imported
    except ImportError as error:
        raise MissingDependencyError("distributed", "cluster", f"--on {place}") from error
    distributed: Any = imported
    if place not in CLUSTERS:
        _check_certificates(place, distributed.Security())
        try:
            client = distributed.Client(place, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(f"--on {place}: no Dask scheduler answers there: {error}") from error
        with client:
            yield client
        return
    try:
        import dask_jobqueue
    except ImportError as error:
        raise MissingDependencyError("dask-jobqueue", "cluster", f"--on {place}") from error
    options = cluster_options(place, config.cluster, root)
    Path(options["log_directory"]).mkdir(parents=True, exist_ok=True)
    with getattr(dask_jobqueue, CLUSTERS[place][0])(**options) as cluster:
        # As many as asked for, also after some were lost: adaptive scaling asks for them anew.
        cluster.adapt(minimum=n_workers, maximum=n_workers)
        with distributed.Client(cluster, set_as_default=False) as client:
            yield client


def _check_certificates(place: str, security: Any) -> None:
    """Refuse an encrypted address where Dask's configuration names no certificates: it would fail in its own words."""
    names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
    if place.startswith("tls://") and None in [getattr(security, name) for name in names]:
        raise UsageError(
            f"--on {place}: Dask's configuration names no certificates; it wants distributed.comm.tls.ca-file, "
            "distributed.comm.tls.client.cert and distributed.comm.tls.client.key"
        )


def run_on_client(
    client: Any, root: Path, dispatcher: Dispatcher, n_workers: int, tick: Callable[[], None] = lambda: None
) -> None:
    """Do all chunks of a dispatcher on the workers of a client.

    Raises
    ------
    SmartBKGError
        The scheduler is lost, or all machines refuse to work.
    """
    from distributed import CancelledError
    from distributed.scheduler import KilledWorker

    running: dict[Any, list[int]] = {}
    try:
        while True:
            _submit(client, root, dispatcher, running, n_workers)
            if dispatcher.is_finished:
                return
            with contextlib.suppress(TimeoutError):
                _wait(client, list(running))
            for future in [future for future in running if future.done()]:
                bundle = running.pop(future)
                try:
                    outcomes: list[Outcome] = future.result()
                except KilledWorker:
                    dispatcher.lost(bundle, f"{_WORKERS_LOST} workers died while they made this chunk")
                except CancelledError as error:
                    raise _gone(client) from error
                except SmartBKGError:
                    raise
                except KeyboardInterrupt:
                    dispatcher.given_back(bundle)
                except Exception as error:  # noqa: BLE001 - whatever a worker cannot even begin with
                    dispatcher.lost(bundle, f"{type(error).__name__}: {error}")
                else:
                    for outcome in outcomes:
                        dispatcher.report(outcome)
                    dispatcher.given_back(set(bundle) - {outcome.chunk for outcome in outcomes})
            _retire(client, dispatcher)
            if client.status != "running":
                raise _gone(client)
            tick()
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(running))


def _wait(client: Any, futures: list[Any]) -> None:
    import distributed

    wait: Any = distributed.wait
    with client.as_current():
        wait(futures, timeout=_TICK, return_when="FIRST_COMPLETED")


def _gone(client: Any) -> SmartBKGError:
    where = client.scheduler.address if client.scheduler else "unknown"
    return SmartBKGError(f"the Dask scheduler at {where} is gone; what was done is recorded, the same command goes on")


def _submit(client: Any, root: Path, dispatcher: Dispatcher, running: dict[Any, list[int]], n_workers: int) -> None:
    """Keep every worker busy, and one bundle ready for each."""
    wanted = (1 + _AHEAD) * max(n_workers, len(client.scheduler_info().get("workers", {})))
    while len(running) < wanted:
        bundle = dispatcher.next_bundle()
        if not bundle:
            return
        future = client.submit(attempt_chunks, root, bundle, pure=False, retries=0)
        running[future] = bundle


def _retire(client: Any, dispatcher: Dispatcher) -> None:
    """Give no more work to machines that refuse it; an error where none is left."""
    if not dispatcher.bad_hosts:
        return
    workers = client.scheduler_info().get("workers", {})
    hosts = {address: _host_of(info) for address, info in workers.items()}
    dispatcher.check_hosts(set(hosts.values()))
    bad = [address for address, host in hosts.items() if host in dispatcher.bad_hosts]
    if bad:
        client.retire_workers(bad, close_workers=True)


def _host_of(info: Mapping[str, Any]) -> str:
    return str(info.get("name") if info.get("host") is None else info["host"])
