"""A campaign that is open: its folder, settings, chunks, model and policy. A worker opens it once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartbkg.campaign.chunk.chunks import ChunkPlan, plan_chunks
from smartbkg.campaign.config import CampaignConfig, read_campaign
from smartbkg.campaign.folder import CampaignFolder
from smartbkg.campaign.identity import (
    check_identity,
    check_no_new_sources,
    copied_model,
    describe,
    described_sources,
    model_source,
    publish_identity,
    read_identities,
)
from smartbkg.campaign.publication import read_published
from smartbkg.errors import PolicyError, UsageError
from smartbkg.events.skim_choice import choose_skims
from smartbkg.filtering.policy_choice import choose_policy
from smartbkg.sampling.policies import policy_from_dict
from smartbkg.sampling.policy import Policy
from smartbkg.storage.json_content import from_json
from smartbkg.storage.provenance import sha256_of_file

if TYPE_CHECKING:
    from smartbkg.networks.scorer import Scorer


@dataclass(frozen=True)
class Campaign:
    """A campaign that has begun.

    Attributes
    ----------
    folder, config, plan : where, what, and which chunks.
    identity : what it was when it began.
    accepted : changes of versions that the user has accepted, one sentence each.
    """

    folder: CampaignFolder
    config: CampaignConfig
    plan: ChunkPlan
    identity: dict[str, Any]
    accepted: tuple[str, ...] = ()

    @functools.cached_property
    def scorer(self) -> Scorer:
        """The model, loaded at the first use."""
        return load_model(self.config, self.folder)

    @functools.cached_property
    def skims(self) -> tuple[str, ...]:
        """Skims of the filter."""
        return _skims(self.config, self.scorer)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Skims that are flagged after the simulation; none where nothing is simulated."""
        if self.config.simulate.by == "nothing":
            return ()
        return self.config.simulate.skims or (self.skims if self.config.simulate.by == "embedded" else self.skims[:1])

    @property
    def stream(self) -> str:
        """Name of the stream of draws: two campaigns share none, two attempts at a chunk share theirs."""
        return f"campaign {self.identity['physics_digest'][:16]}"

    def policy(self, index: int) -> Policy:
        """The policy of a chunk.

        Raises
        ------
        UsageError
            It is solved after earlier chunks that are not done.
        """
        after = self.config.filter.solve_after
        if after is None or index < after:
            return policy_from_dict(self.identity["policy"])
        try:
            return policy_from_dict(from_json(read_published(self.folder.policy))["policy"])
        except FileNotFoundError as error:
            raise UsageError(
                f"chunk {index} waits for the policy that is solved after the first {after} chunks "
                "(filter.solve_after): run those first"
            ) from error


def load_model(config: CampaignConfig, folder: CampaignFolder) -> Scorer:
    """The campaign's copy of its model, ready to score."""
    from smartbkg.networks.model_file import load_scorer

    return load_scorer(copied_model(config, folder), threads=config.filter.threads)


def _skims(config: CampaignConfig, scorer: Scorer) -> tuple[str, ...]:
    return tuple(scorer.skims[position] for position in choose_skims(scorer.skims, config.filter.skims))


def first_policy(config: CampaignConfig, scorer: Scorer) -> Policy:
    """The policy with which a campaign begins.

    Raises
    ------
    PolicyError
        It loses events for ever: no weight makes up for them.
    """
    stored = config.filter.policy is None or config.filter.policy == "optimal"
    policy = choose_policy(
        config.filter.policy, scorer.policy, _skims(config, scorer), scorer.source,
        None if stored else config.filter.max_weight,
    )  # fmt: skip
    if not policy.is_unbiased:
        raise PolicyError(
            f"filter.policy '{policy.label}' loses what scores below it for ever, no weight makes up for that: a "
            "campaign takes optimal, score or exp=A,B"
        )
    return policy


def open_campaign(root: Path, *, is_accepted: bool = False, is_worker: bool = False) -> Campaign:
    """Open a campaign, beginning it at the first call: settings, model and versions are then fixed.

    Parameters
    ----------
    root : its folder.
    is_accepted : accept another version of the package or of a library, or that the model was changed where it came
        from; the campaign keeps its own copy of the model.
    is_worker : what concerns all chunks was checked by who hands out the work.

    Raises
    ------
    UsageError
        Settings, model or versions are others than when it began.
    """
    folder = CampaignFolder.of(root)
    config = read_campaign(folder.config)
    found = read_identities(folder)
    accepted: list[str] = []
    if not found:
        sources = described_sources(config, folder)
        plan = plan_chunks(config, folder.root, sources or None)
        policy = first_policy(config, load_model(config, folder)).to_dict()
        now = describe(config, folder, plan, policy) | {"sources": sources}
        found = [publish_identity(folder, now, 0)]
    plan = plan_chunks(config, folder.root, found[0]["sources"])
    now = describe(config, folder, plan, found[0]["policy"])
    latest = {**found[0], **{key: found[-1][key] for key in ("package_version", "libraries")}}
    accepted = check_identity(latest, now, is_accepted=is_accepted)
    if accepted:
        publish_identity(folder, {**now, "accepted": accepted}, len(found))
    if not is_worker:
        check_no_new_sources(config, folder, found[0])
        _check_model_source(config, folder, found[0], is_accepted=is_accepted)
    return Campaign(folder, config, plan, found[0], tuple(accepted))


def _check_model_source(
    config: CampaignConfig, folder: CampaignFolder, identity: dict[str, Any], *, is_accepted: bool
) -> None:
    """Refuse to go on where the model that the user names is not the campaign's any more, unless that is accepted."""
    if config.filter.model is None or not (folder.root / config.filter.model).is_file():
        return
    source = model_source(config, folder)
    if sha256_of_file(source) != identity["model_sha256"] and not is_accepted:
        raise UsageError(
            f"{source}: the model was changed since the campaign began; the campaign has a copy of the old one and "
            "goes on with it by --accept, the new one wants a new campaign"
        )


@functools.lru_cache(maxsize=4)
def worker_campaign(root: Path) -> Campaign:
    """The campaign of a worker process, opened once: model and kernels are read once a worker.

    Changes of versions were accepted, or not, by the process that hands out the work.
    """
    return open_campaign(root, is_accepted=True, is_worker=True)
