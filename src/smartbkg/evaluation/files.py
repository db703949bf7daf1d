"""From a model file and a data set to a report: what `smartbkg evaluate` and the demo call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from smartbkg.errors import ModelError
from smartbkg.evaluation.evaluate import Evaluation, evaluate
from smartbkg.evaluation.scored_dataset import score_dataset
from smartbkg.events.skim_choice import choose_skim
from smartbkg.filtering.policy_choice import choose_policy, stored_policy
from smartbkg.networks.bundle import load_bundle
from smartbkg.networks.scorer import Scorer, scorer_of
from smartbkg.networks.surrogate_scorer import SurrogateScorer
from smartbkg.optional import require
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.plan import make_plan
from smartbkg.sampling.policies import Policy
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.provenance import sha256_of_file


def evaluate_model(
    model: Path,
    dataset: Path,
    output: Path,
    *,
    skim: str | None = None,
    policy: str | None = None,
    costs: Costs = BELLE_II_COSTS,
    oracle: Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    without_surrogate: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Evaluate a model file and write the report.

    Parameters
    ----------
    skim : which of the model's; may be left out where it has one.
    policy : as in `smartbkg.sampling.policies.parse_policy`; None = the model's own, or where it has none the optimal
        one for these scores.
    progress : called after each batch with the number of events scored so far.
    without_surrogate : evaluate the network alone, where the model has a surrogate.

    Raises
    ------
    ModelError, DatasetError, FileFormatError, UsageError
        The model, the data set or the skim cannot be used.
    """
    refuse_same_file(output, *filter(None, (model, dataset, oracle)))
    require(("sklearn", "matplotlib", "mplhep", "jinja2"), "the report of an evaluation", "report")
    from smartbkg.evaluation.report import write_report

    bundle, own_costs = load_bundle(model), costs
    scorer = scorer_of(bundle, threads=threads, source=str(model), without_surrogate=without_surrogate)
    chosen = choose_skim(
        bundle.skims,
        skim,
        holder=f"{model}: the model has no skim",
        undecided=f"{model}: the model has several skims, choose one by --skim",
    )
    if isinstance(scorer, SurrogateScorer):
        costs = replace(costs, filtering=costs.filtering + scorer.seconds_per_event)
    evaluation = evaluate(
        dataset,
        scorer,
        chosen,
        policy=_policy_of(policy, scorer, chosen, str(model)),
        training=bundle.training,
        costs=costs,
        seed=seed,
        oracle=oracle,
        progress=progress,
    )
    if isinstance(scorer, SurrogateScorer) and bundle.config.architecture != "none":
        network = score_dataset(dataset, scorer.network, (chosen,), training=bundle.training)
        alone = make_plan(network.events, own_costs, compared=()).outlooks[0]
        evaluation = evaluation._replace(without_surrogate=alone)
    provenance = [
        ("model", f"{model.name}, SHA-256 {sha256_of_file(model)}"),
        ("architecture", f"{bundle.config.architecture}, {bundle.n_parameters:,} parameters"),
        ("data set", f"{dataset.name}, SHA-256 {sha256_of_file(dataset)}"),
        ("graph rule", ", ".join(bundle.graph_rule.cuts)),
        ("token table", bundle.graph_rule.token_table),
        ("seed of the draw", str(seed)),
        *_about_surrogate(scorer),
    ]
    write_report(
        output, evaluation, model_name=model.name, data_name=dataset.name, provenance=provenance,
        history=bundle.training.get("history", ()),
    )  # fmt: skip
    return evaluation


def _policy_of(wanted: str | None, scorer: Scorer, skim: str, model: str) -> Policy | None:
    """The policy to evaluate; None = the optimal one for these scores, of a model that has none for this skim."""
    if wanted is not None and wanted != "optimal":
        return choose_policy(wanted, scorer.policy, (skim,), model)
    try:
        return stored_policy(scorer.policy, (skim,), model)
    except ModelError:
        return None


def _about_surrogate(scorer: Scorer) -> list[tuple[str, str]]:
    """Lines of the report about the surrogate that was asked, none where there is none."""
    if not isinstance(scorer, SurrogateScorer):
        return []
    record, mean = scorer.record, scorer.n_replicas / max(1, scorer.n_asked)
    seconds = 1000 * scorer.seconds_per_event
    return [
        ("surrogate", f"{record.name}, version {record.version}, digest {record.digest[:12]}"),
        ("replicas", f"at most {record.n_replicas}, {mean:.1f} on average, {seconds:.1f} ms per event"),
        ("fitted on", f"{record.training.get('n_events')} events, passing {record.training.get('n_passing')}"),
    ]
