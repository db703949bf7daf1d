"""A small chain for tests: a random network, events whose labels follow its scores, kept events, scores, flags."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from synthetic import random_events

from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.filtering.event_filter import Draw, EventFilter
from smartbkg.filtering.files import filter_file
from smartbkg.filtering.scoring import score_events
from smartbkg.io import create_events
from smartbkg.io.tables import write_table
from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
from smartbkg.networks.bundle import state_of
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling import Costs, Policy, solve_optimal
from smartbkg.scores.calibration import Affine
from smartbkg.storage.provenance import record

SKIMS = ("first", "second")
CONFIG = {"architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2, "n_skims": 2}


class Chain(NamedTuple):
    """The files of a chain."""

    model: Path
    events: Path
    dataset: Path
    flags: Path
    kept: Path
    scores: Path


def make_model(path: Path, seed: int = 0) -> Path:
    """A model of two skims whose scores have means near 0.1 and 0.05."""
    import torch

    torch.manual_seed(seed)
    config = parse_config(CONFIG)
    network = build_model(config)
    state = dict(state_of(network))
    save_bundle(path, ModelBundle(config, state, skims=SKIMS))
    raw = load_scorer(path).logits(random_events(2000, seed=99)).astype(float)
    state["fc_output.weight"] = state["fc_output.weight"] / raw.std(axis=0, dtype=np.float32)[:, None]
    state["fc_output.bias"] = np.zeros(len(SKIMS), dtype=np.float32)
    save_bundle(path, ModelBundle(config, state, skims=SKIMS))
    raw = load_scorer(path).logits(random_events(2000, seed=99)).astype(float)
    offset = tuple((np.array([-2.8, -3.5]) - 1.5 * raw.mean(axis=0)).tolist())
    save_bundle(path, ModelBundle(config, state, skims=SKIMS, calibration=Affine((1.5, 1.5), offset)))
    return path


def make_chain(
    folder: Path,
    n_events: int = 6000,
    *,
    skims: tuple[str, ...] = ("first",),
    policy: Policy | None = None,
    seed: int = 3,
    first_event: int = 0,
    model: Path | None = None,
    draw: Draw = "independent",
) -> Chain:
    """Write all files of a chain into a folder; the labels of each event are drawn with its score."""
    folder.mkdir(exist_ok=True)
    path = make_model(folder / "model.safetensors") if model is None else model
    scorer = load_scorer(path)
    batch = random_events(n_events, seed=first_event + 1, first_event=first_event)
    score = score_events(scorer, batch).score
    generator = np.random.default_rng(first_event + 7)
    passes = generator.random(score.shape) < score
    chain = Chain(path, *(folder / f"{name}.parquet" for name in ("events", "dataset", "flags", "kept", "scores")))
    _write(chain.events, batch)
    labels = {f"label_{skim}": passes[:, i] for i, skim in enumerate(SKIMS)}
    _write(chain.dataset, batch.with_event_columns(**labels, sampling_weight=np.ones(n_events)))
    ids = {name: batch.event[name] for name in EVENT_ID}
    flags = {f"passes_{skim}": passes[:, i] for i, skim in enumerate(SKIMS)}
    variables = {
        "Mbc": 5.27 + 0.01 * generator.normal(size=n_events) + 0.01 * score[:, 0],
        "R2": generator.random(n_events),
        "nTracks": generator.integers(2, 12, n_events),
    }
    write_table(chain.flags, ids | flags | variables, record("flags", 1, {}))
    positions = [SKIMS.index(skim) for skim in skims]
    chosen = solve_optimal(score[:, positions], Costs()) if policy is None else policy
    event_filter = EventFilter(scorer, chosen, seed=seed, skims=skims, draw=draw)
    settings = {"policy": chosen.to_dict(), "seed": seed, "skims": list(skims), "draw": draw}
    filter_file(chain.events, chain.kept, event_filter, settings=settings, inputs=(path,), scores=chain.scores)
    return chain


def _write(path: Path, batch: EventBatch) -> None:
    with create_events(path, record("dataset", 1, {})) as writer:
        writer.write(batch)
