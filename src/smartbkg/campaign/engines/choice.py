"""From the word after ``--on`` to an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartbkg.campaign.config import CampaignConfig
from smartbkg.errors import UsageError, nearest

if TYPE_CHECKING:
    from smartbkg.campaign.production import Engine

BATCH_SYSTEMS = ("slurm", "htcondor", "pbs", "lsf", "sge")


def choose_engine(place: str, config: CampaignConfig) -> Engine:
    """The engine of a place: ``local``, a batch system, or the address of a Dask scheduler.

    Raises
    ------
    UsageError
        No such place.
    """
    if place == "local":
        from smartbkg.campaign.engines.local import run_local

        return run_local
    if place in BATCH_SYSTEMS or ":" in place:
        from smartbkg.campaign.engines.dask import dask_engine

        return dask_engine(place, config)
    raise UsageError(
        f"--on {place}: {nearest(place, ('local', *BATCH_SYSTEMS))}, or the address of a Dask scheduler, "
        "as tcp://host:8786"
    )
