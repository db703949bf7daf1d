"""The threshold mode: correct what a hard cut on the score kept towards all passing events, as well as can be.

A gradient-boosted reweighter (A. Rogozhnikov, arXiv:1608.05806; `hep_ml.reweight.GBReweighter`) learns weights on
labelled events, where both samples are known, so that kept events look like all of them in the variables it is given.
What it cannot do: fill regions below the threshold where nothing was kept, and correct variables it was not given.
Sampling (`OptimalPolicy`) needs none of this.

The trees are stored as plain numbers (safetensors), not as pickled objects, and evaluated here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import safetensors
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import save as safetensors_bytes

from smartbkg.errors import DatasetError, ModelError
from smartbkg.optional import needed_for
from smartbkg.sampling.statistics import effective_sample_size
from smartbkg.storage.atomic import write_bytes_atomically
from smartbkg.storage.json_content import from_json
from smartbkg.storage.kinds import REWEIGHTER, SCHEMA_VERSIONS
from smartbkg.storage.machine import MachineError, is_of_machine, reason_of
from smartbkg.storage.provenance import METADATA_KEY, check_schema, record
from smartbkg.storage.tensors import NO_SEAL, SEAL_KEY, check_seal, sealed

#: Kept events below which a reweighter only learns noise.
LEAST_EVENTS: Final = 200

_ARRAYS: Final = ("left", "right", "feature", "cut", "leaf_value", "start")


@dataclass(frozen=True)
class ReweighterSettings:
    """Of the boosted trees; defaults are moderate, for some thousand events."""

    n_trees: int = 60
    """Number of trees."""
    learning_rate: float = 0.1
    """Share of each tree's correction that is applied."""
    depth: int = 3
    """Depth of a tree: how many variables are correlated at most."""
    least_in_leaf: int = 100
    """Events of either sample in a leaf at least."""
    n_folds: int = 4
    """Folds of the cross-validation."""
    seed: int = 0
    """Of folds and trees."""


@dataclass(frozen=True)
class Reweighter:
    """Trained trees.

    Attributes
    ----------
    variables : names of the columns it looks at, in order.
    trees : arrays of all nodes of all trees, one after the other: ``left``, ``right`` (next node, −1 in a leaf),
        ``feature``, ``cut`` (go left if value ≤ cut), ``leaf_value``, and ``start`` (the first node of each tree).
    scale : factor after which the weights of kept training events sum to that of all passing ones.
    threshold : of the score below which events were lost, for messages.
    largest : logarithm of the largest factor (before ``scale``) of a kept training event. Leaves without any of these
        have values without bound: another sample's rare event there must not outweigh all others.
    """

    variables: tuple[str, ...]
    trees: Mapping[str, NDArray[Any]]
    scale: float
    threshold: float
    largest: float = np.inf

    def factors(self, values: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
        """(n_events,) by which the weights of kept events are multiplied.

        Parameters
        ----------
        values : name → (n_events,) at least the variables it was trained on; NaN counts as below every cut.

        Raises
        ------
        DatasetError
            A variable is missing.
        """
        x = _matrix(values, self.variables)
        logarithm = np.zeros(len(x))
        trees = self.trees
        for start in trees["start"]:
            node = np.full(len(x), int(start))
            while True:
                is_inner = trees["left"][node] >= 0
                if not is_inner.any():
                    break
                here = node[is_inner]
                goes_left = x[is_inner, trees["feature"][here]] <= trees["cut"][here]
                node[is_inner] = np.where(goes_left, trees["left"][here], trees["right"][here])
            logarithm += trees["leaf_value"][node]
        return np.asarray(self.scale * np.exp(np.minimum(logarithm, self.largest)))

    def save(self, path: Path, metrics: Mapping[str, Any]) -> None:
        """Write it, whole or not at all.

        Parameters
        ----------
        metrics : what training measured, stored beside it.
        """
        settings = {name: getattr(self, name) for name in ("variables", "scale", "threshold", "largest")}
        content = record(REWEIGHTER, SCHEMA_VERSIONS[REWEIGHTER], settings, figures=dict(metrics))
        arrays = {name: np.ascontiguousarray(self.trees[name]) for name in _ARRAYS}
        metadata = {METADATA_KEY: json.dumps(content), SEAL_KEY: NO_SEAL}
        write_bytes_atomically(path, sealed(safetensors_bytes(arrays, metadata=metadata)))

    @classmethod
    def load(cls, path: Path) -> Reweighter:
        """Read what `save` wrote.

        Raises
        ------
        ModelError
            Missing, damaged, or no reweighter.
        """
        try:
            with safetensors.safe_open(str(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                trees = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            content = dict(from_json(metadata[METADATA_KEY]))
            check_seal(path, metadata, must_be_sealed=content.get("schema_version", 1) != 1)
        except FileNotFoundError as error:
            raise ModelError(f"{path}: no such file") from error
        except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            if is_of_machine(error):
                raise MachineError(f"{path}: cannot read: {reason_of(error)}") from error
            raise ModelError(f"{path}: not a reweighter of smartbkg: {error}") from error
        check_schema(content, REWEIGHTER, SCHEMA_VERSIONS[REWEIGHTER], str(path))
        settings = content["settings"]
        _check_trees(trees, len(settings["variables"]), path)
        numbers = (float(settings[name]) for name in ("scale", "threshold", "largest"))
        return cls(tuple(settings["variables"]), trees, *numbers)


def _check_trees(trees: Mapping[str, NDArray[Any]], n_variables: int, path: Path) -> None:
    """Refuse trees that would not end or look outside the events."""
    missing = [name for name in _ARRAYS if name not in trees]
    if missing:
        raise ModelError(f"{path}: damaged reweighter, without {', '.join(missing)}")
    n_nodes = len(trees["left"])
    here = np.arange(n_nodes)
    for name in ("left", "right"):
        inner = trees["left"] >= 0
        if ((trees[name] <= here) & inner).any() or (trees[name] >= n_nodes).any():
            raise ModelError(f"{path}: damaged reweighter: a branch leads backwards or out of the trees")
    if (trees["feature"] >= n_variables).any() or (trees["start"] >= n_nodes).any() or (trees["start"] < 0).any():
        raise ModelError(f"{path}: damaged reweighter: a node looks at a variable that does not exist")


class ReweightingMetrics(NamedTuple):
    """What cross-validation found."""

    n_all: int
    """Passing events."""
    n_kept: int
    """Passing events above the threshold."""
    lost_fraction: float
    """Share of the passing events that the threshold loses for ever."""
    effective: float
    """Effective number of kept events with the new weights."""
    largest_factor: float
    """Largest factor on a kept event."""


class TrainedReweighter(NamedTuple):
    """A reweighter with its cross-validated factors."""

    reweighter: Reweighter
    """Trained on all events, for new ones."""
    cross_validated: NDArray[np.float64]
    """(n_kept,) factor of each kept event by trees that have not seen it: use these to test closure."""
    metrics: ReweightingMetrics
    """What cross-validation found."""


def train_reweighter(
    values: Mapping[str, ArrayLike],
    is_kept: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    threshold: float = float("nan"),
    settings: ReweighterSettings | None = None,
) -> TrainedReweighter:
    """Train on labelled passing events, with k-fold cross-validation.

    Parameters
    ----------
    values : name → (n_passing,) variables of all passing events.
    is_kept : (n_passing,) True = above the threshold.
    weight : (n_passing,) generator weights.
    threshold : for the record.

    Raises
    ------
    DatasetError
        Too few events above or below the threshold.
    MissingDependencyError
        hep_ml is not installed.
    """
    chosen = settings or ReweighterSettings()
    kept = np.asarray(is_kept, dtype=bool)
    names = tuple(values)
    x = _matrix(values, names)
    w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=np.float64)
    if kept.shape != (len(x),) or w.shape != kept.shape:
        raise DatasetError(f"{len(x)} events, {len(kept)} decisions and {len(w)} weights do not fit")
    if kept.sum() < LEAST_EVENTS:
        raise DatasetError(
            f"{int(kept.sum())} passing events above the threshold: a reweighter needs at least {LEAST_EVENTS}"
        )
    if kept.all():
        raise DatasetError("the threshold loses no passing event: there is nothing to correct")
    fold = np.random.default_rng(chosen.seed).permutation(len(x)) % chosen.n_folds
    factors = np.empty(len(x))
    for held_out in range(chosen.n_folds):
        learned = _fit(x[fold != held_out], kept[fold != held_out], w[fold != held_out], names, threshold, chosen)
        mine = fold == held_out
        factors[mine] = learned.factors(dict(zip(names, x[mine].T, strict=True)))
    whole = _fit(x, kept, w, names, threshold, chosen)
    lost = float(w[~kept].sum() / w.sum())
    metrics = ReweightingMetrics(
        len(x), int(kept.sum()), lost, effective_sample_size((w * factors)[kept]), float(factors[kept].max())
    )
    return TrainedReweighter(whole, factors[kept], metrics)


def _matrix(values: Mapping[str, ArrayLike], names: tuple[str, ...]) -> NDArray[np.float64]:
    missing = [name for name in names if name not in values]
    if missing or not names:
        raise DatasetError(f"the reweighter needs the variables {', '.join(names) or '(none)'}; missing: {missing}")
    columns = np.stack([np.asarray(values[name], dtype=np.float64) for name in names], axis=1)
    # float32 as in training, where a value on a cut must fall on the same side
    return np.asarray(np.nan_to_num(columns, nan=-1e30, posinf=1e30, neginf=-1e30).astype(np.float32), np.float64)


def _fit(
    x: NDArray[np.float64],
    kept: NDArray[np.bool_],
    weight: NDArray[np.float64],
    names: tuple[str, ...],
    threshold: float,
    settings: ReweighterSettings,
) -> Reweighter:
    with needed_for("a reweighter for the threshold mode"):
        from hep_ml.reweight import GBReweighter
    boosted = GBReweighter(
        n_estimators=settings.n_trees,
        learning_rate=settings.learning_rate,
        max_depth=settings.depth,
        min_samples_leaf=settings.least_in_leaf,
        gb_args={"subsample": 0.7, "random_state": settings.seed},
    )
    boosted.fit(x[kept], x, original_weight=weight[kept], target_weight=weight)
    learned = Reweighter(names, _trees_of(boosted, settings.learning_rate), 1.0, threshold)
    factors = learned.factors(dict(zip(names, x[kept].T, strict=True)))
    scale = float(weight.sum() / (weight[kept] * factors).sum())
    return Reweighter(names, learned.trees, scale, threshold, float(np.log(factors.max())))


def _trees_of(boosted: Any, learning_rate: float) -> dict[str, NDArray[Any]]:
    """The trees of a GBReweighter as arrays; its decision is the sum of rate × leaf value over trees."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _ARRAYS}
    offset = 0
    for estimator, leaf_values in boosted.gb.estimators:
        tree = estimator.tree_
        is_leaf = tree.children_left < 0
        parts["left"].append(np.where(is_leaf, -1, tree.children_left + offset))
        parts["right"].append(np.where(is_leaf, -1, tree.children_right + offset))
        parts["feature"].append(np.where(is_leaf, 0, tree.feature))
        parts["cut"].append(tree.threshold)
        parts["leaf_value"].append(np.where(is_leaf, learning_rate * np.asarray(leaf_values), 0.0))
        parts["start"].append(np.array([offset]))
        offset += tree.node_count
    kinds = {"cut": np.float64, "leaf_value": np.float64}
    return {name: np.concatenate(part).astype(kinds.get(name, np.int64)) for name, part in parts.items()}
