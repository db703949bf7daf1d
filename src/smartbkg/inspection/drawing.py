"""An event's decay tree, as text for the terminal and as a picture (SVG)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray
from particle import InvalidParticle, Particle, ParticleNotFound
from rich.tree import Tree

from smartbkg.errors import EventError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.io import ReadOptions, open_events
from smartbkg.io.reader import DEFAULT_BATCH_SIZE
from smartbkg.storage.atomic import refuse_same_file, write_text_atomically
from smartbkg.storage.printing import printable

_ROW: Final = 22  # pixels between leaves
_COLUMN: Final = 150  # pixels between generations
_RADIUS: Final = 6
#: White behind names, so that the lines of daughters do not strike through signs of charge.
_HALO: Final = 'stroke="white" stroke-width="4" paint-order="stroke"'

_EXCLUDED: Final = (
    ParticleStatus.VIRTUAL | ParticleStatus.INITIAL | ParticleStatus.ISR_PHOTON | ParticleStatus.FSR_PHOTON
)


@functools.lru_cache(maxsize=4096)
def particle_name(code: int) -> str:
    """Name of a PDG code, the code itself where it has none.

    >>> particle_name(-211), particle_name(300553), particle_name(99)
    ('pi-', 'Upsilon(4S)', '99')
    """
    try:
        return str(Particle.from_pdgid(code).name)
    except (ParticleNotFound, InvalidParticle):
        return str(code)


@dataclass(frozen=True)
class DecayTree:
    """One event, ready to be drawn.

    Attributes
    ----------
    event : its id.
    names : (n,) names of the particles.
    energy : (n,) in GeV.
    mother : (n,) position of the mother, -1 for a root.
    is_particle : (n,) False for entries that only document the generator, and for beam particles.
    """

    event: tuple[int, int, int]
    names: tuple[str, ...]
    energy: NDArray[np.float64]
    mother: NDArray[np.int64]
    is_particle: NDArray[np.bool_]

    @classmethod
    def of(cls, batch: EventBatch, index: int = 0) -> DecayTree:
        """The tree of the event at that position of a batch."""
        here = slice(int(batch.offsets[index]), int(batch.offsets[index + 1]))
        own, wanted = (batch.particle[name][here] for name in ("arrayIndex", "motherIndex"))
        position = {int(name): place for place, name in enumerate(own)}
        mother = [position.get(int(name), -1) for name in wanted]
        status = batch.particle["status"][here]
        return cls(
            batch.event_id(index),
            tuple(particle_name(int(code)) for code in batch.particle["PDG"][here]),
            batch.particle["energy"][here].astype(np.float64),
            np.array([-1 if above == place else above for place, above in enumerate(mother)], dtype=np.int64),
            (status & ParticleStatus.PRIMARY != 0) & (status & _EXCLUDED == 0),
        )

    def children(self) -> list[list[int]]:
        """Positions of each particle's daughters, and last those of the roots."""
        found: list[list[int]] = [[] for _ in range(len(self.names) + 1)]
        for place, above in enumerate(self.mother.tolist()):
            found[above].append(place)
        return found


def tree_text(tree: DecayTree, *, largest: int = 200) -> Tree:
    """The tree for the terminal, at most ``largest`` particles of it.

    Returns
    -------
    A tree of `rich`; dim entries are no nodes of the graph.
    """
    root = Tree(f"event {tree.event[2]} (experiment {tree.event[0]}, run {tree.event[1]}): {len(tree.names)} particles")
    children = tree.children()
    waiting = [(place, root) for place in reversed(children[-1])]
    n_drawn = 0
    while waiting and n_drawn < largest:
        place, above = waiting.pop()
        label = f"{tree.names[place]}  [dim]{tree.energy[place]:.3f} GeV[/]"
        branch = above.add(label if tree.is_particle[place] else f"[dim]{tree.names[place]}[/]")
        waiting += [(daughter, branch) for daughter in reversed(children[place])]
        n_drawn += 1
    if waiting:
        root.add(f"[dim]... and {len(tree.names) - n_drawn} more[/]")
    return root


def _layout(tree: DecayTree) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column and row of each particle: generations to the right, a mother in the middle of her daughters."""
    children = tree.children()
    column, row = np.zeros(len(tree.names)), np.zeros(len(tree.names))
    order: list[int] = []
    waiting = list(reversed(children[-1]))
    n_leaves = 0
    while waiting:
        place = waiting.pop()
        order.append(place)
        above = int(tree.mother[place])
        column[place] = column[above] + 1 if above >= 0 else 0
        if not children[place]:
            row[place] = n_leaves
            n_leaves += 1
        waiting += reversed(children[place])
    for place in reversed(order):
        if children[place]:
            row[place] = np.mean(row[children[place]])
    return column, row


def _colour(share: float) -> str:
    """From light grey (0) to deep red (1)."""
    low, high = np.array([222, 222, 222]), np.array([178, 24, 43])
    red, green, blue = (low + (high - low) * float(np.clip(share, 0, 1))).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def tree_svg(tree: DecayTree, highlight: ArrayLike | None = None, title: str = "") -> str:
    """The tree as an SVG picture.

    Parameters
    ----------
    highlight : (n,) how much each particle matters; coloured relative to the largest. None = one colour.

    Raises
    ------
    UsageError
        ``highlight`` is not one number per particle.
    """
    column, row = _layout(tree)
    shares = np.zeros(len(tree.names)) if highlight is None else np.abs(np.asarray(highlight, dtype=np.float64))
    if shares.shape != (len(tree.names),):
        raise UsageError(f"highlight of shape {shares.shape}, expected ({len(tree.names)},): one number per particle")
    shares = shares / max(float(np.nanmax(shares, initial=0.0)), 1e-300)
    width = int(_COLUMN * (column.max(initial=0) + 1.2)) + 20
    height = int(_ROW * (row.max(initial=0) + 1)) + 60
    width = max(width, 0 if highlight is None else 800)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="20" font-weight="bold">{escape(printable(title or f"event {tree.event[2]}"))}</text>',
    ]
    x, y = 16 + _COLUMN * column, 44 + _ROW * row
    for place, above in enumerate(tree.mother.tolist()):
        if above >= 0:
            middle = (x[above] + x[place]) / 2
            parts.append(
                f'<path d="M{x[above]:.1f} {y[above]:.1f} C{middle:.1f} {y[above]:.1f} {middle:.1f} {y[place]:.1f} '
                f'{x[place]:.1f} {y[place]:.1f}" fill="none" stroke="#888"/>'
            )
    if highlight is not None:
        legend = "colour: change of the network's answer when a particle is left out, grey none, red the largest; "
        legend += "dashed: beams, documentation, made in the detector"
        parts.append(f'<text x="12" y="{height - 6}" fill="#444">{legend}</text>')
    for place, name in enumerate(tree.names):
        fill = "#4878a8" if highlight is None else _colour(float(shares[place]))
        dash = "" if tree.is_particle[place] else ' stroke-dasharray="2 2"'
        what = f"{name}: {tree.energy[place]:.4g} GeV"
        if highlight is not None:
            what += f", {shares[place]:.3f} of the largest"
        parts.append(
            f'<g><title>{escape(what)}</title><circle cx="{x[place]:.1f}" cy="{y[place]:.1f}" r="{_RADIUS}" '
            f'fill="{fill if tree.is_particle[place] else "white"}" stroke="#444"{dash}/>'
            f'<text x="{x[place] + 10:.1f}" y="{y[place] + 4:.1f}" {_HALO}>{escape(name)}</text></g>'
        )
    return "\n".join([*parts, "</svg>", ""])


def find_event(
    path: Path,
    number: int | None = None,
    options: ReadOptions | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> EventBatch:
    """The first event of that number (any, if None), as a batch of one.

    Raises
    ------
    EventError
        There is none: says which numbers there are.
    """
    lowest: list[int] = []
    with open_events(path, options) as reader:
        for batch in reader.batches(batch_size):
            wanted = np.ones(len(batch), dtype=np.bool_) if number is None else batch.event["evtNum"] == number
            if wanted.any():
                return batch.select(np.flatnonzero(wanted)[:1])
            lowest += [int(batch.event["evtNum"].min()), int(batch.event["evtNum"].max())]
    have = f"its numbers are {min(lowest)} to {max(lowest)}" if lowest else "it holds no events"
    raise EventError(f"not in the file; {have}", source=str(path), event=number)


def influence(logits: Callable[[EventBatch], NDArray[np.float32]], event: EventBatch) -> NDArray[np.float64]:
    """How much each particle matters to a network: the change of its logit when the particle is left out.

    Works for every network, with or without attention (occlusion, arXiv:1311.2901, section 4.2).

    Parameters
    ----------
    logits : events → (n_events, n_skims).
    event : a batch of one event.

    Returns
    -------
    (n,) largest change over the skims, without sign; 0 for particles that are no nodes.
    """
    n = event.n_particles
    copies = EventBatch.concatenate([event] * (n + 1))
    status = copies.particle["status"].copy()
    status[n + np.arange(n) * (n + 1)] |= ParticleStatus.VIRTUAL  # copy k + 1 is without particle k
    changed = EventBatch(copies.offsets, copies.event, {**copies.particle, "status": status}, event.source)
    values = np.asarray(logits(changed), dtype=np.float64).reshape(n + 1, -1)
    return np.asarray(np.abs(values[1:] - values[0]).max(axis=1))


def draw_event(
    path: Path,
    output: Path,
    number: int | None = None,
    options: ReadOptions | None = None,
    *,
    highlight: Callable[[EventBatch], NDArray[np.float64]] | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> tuple[int, int, int]:
    """Write the picture of one event's decay tree; returns the event's id.

    Parameters
    ----------
    highlight : event → how much each particle matters, which chooses the colours.

    Raises
    ------
    UsageError
        The output is not called ``.svg``, or is the input.
    """
    refuse_same_file(output, path)
    if output.suffix != ".svg":
        raise UsageError(f"{output}: cannot draw '{output.suffix}', valid: .svg")
    event = find_event(path, number, options, batch_size)
    tree = DecayTree.of(event)
    title = f"{path.name}: experiment {tree.event[0]}, run {tree.event[1]}, event {tree.event[2]}"
    write_text_atomically(output, tree_svg(tree, None if highlight is None else highlight(event), title))
    return tree.event


__all__ = ["DecayTree", "draw_event", "find_event", "influence", "particle_name", "tree_svg", "tree_text"]
