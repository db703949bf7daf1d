"""Losses: what training minimises.

The network's output is the logarithm of a likelihood ratio: its logit plus logit(prior) is the logit of the probability
at that prior. Cross-entropy uses the prior of the events shown (balanced), speed-up losses that of nature.

Every loss is a function of sums over events. Over several processes each takes the sums of all (`Reduce`), with the
gradient through its own events: the gradients then add up to that of one process with all events.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import ClassVar, Final

import torch
from torch.nn import functional

from smartbkg.errors import UsageError
from smartbkg.plug_ins import is_plug_in, load_plug_in
from smartbkg.sampling import Costs
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT
from smartbkg.sampling.policies import SCORE_MAX_WEIGHT

#: Sum of a tensor over all training processes; the identity where there is one.
Reduce = Callable[[torch.Tensor], torch.Tensor]

#: λ is looked for on so many values between 1 and the largest weight, twice: the second time around the best.
_N_LAMBDA: Final = 48


def alone(sums: torch.Tensor) -> torch.Tensor:
    """The `Reduce` of one process."""
    return sums


def everywhere(sums: torch.Tensor, reduce: Reduce) -> torch.Tensor:
    """Sums over all processes, with the gradient of the own part."""
    own = sums.detach()
    return sums + (reduce(own) - own)


class Loss(abc.ABC):
    """A loss for one or several skims.

    Parameters
    ----------
    importance : (n_skims,) weights of the skims' losses, scaled to the sum 1.
    retention : (n_skims,) natural prior of each skim.
    training_fraction : (n_skims,) prior among the events shown.
    """

    def __init__(self, importance: torch.Tensor, retention: torch.Tensor, training_fraction: torch.Tensor) -> None:
        self.importance = importance / importance.sum()
        self.retention = retention
        self.training_fraction = training_fraction

    @abc.abstractmethod
    def per_skim(
        self, logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, reduce: Reduce = alone
    ) -> torch.Tensor:
        """(n_skims,) the loss of each skim.

        Parameters
        ----------
        logits : (n_events, n_skims) outputs of the network: log likelihood ratios.
        label : (n_events, n_skims) in [0, 1]: passed, or the fraction of replicas that did.
        weight : (n_events, n_skims) natural weight of the event over its chance to be shown, 0 where the skim was not
            run.
        """

    def __call__(
        self, logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, reduce: Reduce = alone
    ) -> torch.Tensor:
        """The mean over skims by importance; ``label`` is NaN where a skim was not run, ``weight`` is (n_events,)."""
        is_run = torch.isfinite(label)
        known = torch.where(is_run, label, 0.0)
        return (self.per_skim(logits, known, weight[:, None] * is_run, reduce) * self.importance).sum()


class CrossEntropy(Loss):
    """Binary cross-entropy at the prior of the events shown.

    Natural weights are tilted by class to that prior, so that for one skim and balanced events all weights are 1. Its
    minimum is the true log likelihood ratio, whatever the tilt; soft labels keep that.
    """

    def per_skim(
        self, logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, reduce: Reduce = alone
    ) -> torch.Tensor:
        shown, nature = self.training_fraction, self.retention
        passing = weight * label * (shown / nature)
        failing = weight * (1 - label) * ((1 - shown) / (1 - nature))
        logit = logits + torch.logit(shown)
        terms = passing * functional.softplus(-logit) + failing * functional.softplus(logit)
        sums = everywhere(torch.stack([terms.sum(0), (passing + failing).detach().sum(0)]), reduce)
        return sums[0] / sums[1].clamp(min=1e-12)


class SpeedUpLoss(Loss):
    """1 / speed-up of a policy that follows the score: CPU time for equal effective statistics, relative to no filter.

    E[y/q] · (t_gen + t_filter + E[q] t_sim) / (E[y] · (t_gen + t_sim)) with q from the score by ``keep_probability``;
    the idea of upstream's loss (basf2 ``smartBKG/utils/metrics.py``, arXiv:2307.06434), whose q is the score itself.

    Where q is clipped there is no gradient, and a network that knows nothing yet is best off with q = 1 everywhere: a
    share of cross-entropy gets it away from there, and keeps its scores probabilities.
    """

    usual_max_weight: ClassVar[float] = SCORE_MAX_WEIGHT

    def __init__(
        self,
        importance: torch.Tensor,
        retention: torch.Tensor,
        training_fraction: torch.Tensor,
        costs: Costs,
        max_weight: float | None = None,
        cross_entropy_share: float = 0.0,
    ) -> None:
        super().__init__(importance, retention, training_fraction)
        self.costs = costs
        self.floor = 1 / (self.usual_max_weight if max_weight is None else max_weight)
        self.cross_entropy_share = cross_entropy_share
        self._cross_entropy = CrossEntropy(importance, retention, training_fraction)

    def keep_probability(
        self, score: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, reduce: Reduce
    ) -> torch.Tensor:
        """q of scores at the natural prior: here the score."""
        del label, weight, reduce
        return score.clamp(self.floor, 1.0)

    def per_skim(
        self, logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, reduce: Reduce = alone
    ) -> torch.Tensor:
        score = torch.sigmoid(logits + torch.logit(self.retention))
        keep = self.keep_probability(score, label, weight, reduce)
        loss = inverse_speed_up(everywhere(self.sums(keep, label, weight), reduce), self.retention, self.costs)
        if self.cross_entropy_share > 0:
            loss = loss + self.cross_entropy_share * self._cross_entropy.per_skim(logits, label, weight, reduce)
        return loss

    @staticmethod
    def sums(keep: torch.Tensor, label: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """(4, ...) sums over events of w·y/q, w·y, w·q and w."""
        passing, weight = (weight * label).expand_as(keep), weight.expand_as(keep)
        return torch.stack([(passing / keep).sum(0), passing.sum(0), (weight * keep).sum(0), weight.sum(0)])


class OptimalSpeedUpLoss(SpeedUpLoss):
    """1 / speed-up of the optimal policy q = clip(λ·√p, 1/max_weight, 1), λ the best for the events at hand.

    At the best λ the derivative by λ vanishes, so that the gradient with λ held fixed is the whole gradient (envelope
    theorem).
    """

    usual_max_weight: ClassVar[float] = DEFAULT_MAX_WEIGHT

    def keep_probability(
        self, score: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, reduce: Reduce
    ) -> torch.Tensor:
        root = torch.sqrt(score)
        lambda_ = self.best_lambda(root.detach(), label, weight, reduce)
        return (lambda_ * root).clamp(self.floor, 1.0)

    @torch.no_grad()
    def best_lambda(
        self, root: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, reduce: Reduce = alone
    ) -> torch.Tensor:
        """(n_skims,) the λ of the least loss, to a relative precision of about 1 %."""
        low = torch.zeros_like(self.retention)
        high = torch.log(1 / (self.floor * self.retention.sqrt())) + 1
        for _ in range(2):
            steps = torch.linspace(0, 1, _N_LAMBDA, device=root.device, dtype=root.dtype)[:, None]
            lambda_ = torch.exp(low + steps * (high - low))
            keep = (lambda_[None] * root[:, None, :]).clamp(self.floor, 1.0)
            sums = reduce(self.sums(keep, label[:, None], weight[:, None]))
            best = inverse_speed_up(sums, self.retention, self.costs).argmin(0)
            width = (high - low) / (_N_LAMBDA - 1)
            centre = low + best * width
            low, high = centre - width, centre + width
        return torch.exp(centre)


def inverse_speed_up(sums: torch.Tensor, retention: torch.Tensor, costs: Costs) -> torch.Tensor:
    """1 / speed-up from the four sums of `SpeedUpLoss.sums`, each class brought to its natural share.

    The share of passing events in a batch fluctuates; E[y/q] = retention · (mean of 1/q over passing events) does not.
    """
    inverse_keep = retention * sums[0] / sums[1].clamp(min=1e-12)
    mean_keep = sums[2] / sums[3].clamp(min=1e-12)
    cost = costs.before_decision + mean_keep * costs.simulation
    return inverse_keep * cost / (retention * (costs.generation + costs.simulation))


def make_loss(
    name: str,
    importance: torch.Tensor,
    retention: torch.Tensor,
    training_fraction: torch.Tensor,
    costs: Costs,
    max_weight: float = DEFAULT_MAX_WEIGHT,
    cross_entropy_share: float = 0.0,
) -> Loss:
    """The loss of that name: one of `smartbkg.training.config.LOSSES`, or ``file.py:Class``.

    Raises
    ------
    UsageError
        A class of the user's own is no child of `Loss`.
    """
    priors = (importance, retention, training_fraction)
    if is_plug_in(name):
        own = load_plug_in(name, "loss")
        if not isinstance(own, type) or not issubclass(own, Loss):
            raise UsageError(f"loss '{name}': is no child of smartbkg.training.losses.Loss")
        if issubclass(own, SpeedUpLoss):
            return own(*priors, costs, max_weight, cross_entropy_share)
        return own(*priors)
    if name == "cross_entropy":
        return CrossEntropy(*priors)
    if name == "speed_up":
        return SpeedUpLoss(*priors, costs, cross_entropy_share=cross_entropy_share)
    return OptimalSpeedUpLoss(*priors, costs, max_weight, cross_entropy_share)
