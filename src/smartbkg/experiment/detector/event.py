"""One event after the other through the detector, in compiled code."""

from __future__ import annotations

import math

import numpy as np

from smartbkg.compilation import kernel, part
from smartbkg.experiment.detector.calorimeter import beam_cluster
from smartbkg.experiment.detector.clustering import add_hadron_sums, link_tracks, merge_showers
from smartbkg.experiment.detector.final_state import CYCLE, Marks, Nodes, push_final_state
from smartbkg.experiment.detector.objects import FROM_BEAM
from smartbkg.experiment.detector.passage import add_soft_track, pass_particle
from smartbkg.experiment.detector.vertexing import LARGEST_RADIUS, V0_COLUMNS, Helix, add_hypotheses, pair_vertex
from smartbkg.experiment.detector.workspace import (
    CLUSTER_COLUMNS,
    CLUSTERS,
    KLM,
    KLM_COLUMNS,
    OVERFLOW,
    STACKED,
    TRACK_CHARGE,
    TRACK_COLUMNS,
    TRACK_D0,
    TRACK_PX,
    TRACK_PY,
    TRACK_PZ,
    TRACK_Z0,
    TRACKS,
    UNKNOWN,
)
from smartbkg.experiment.random_stream import poisson

#: Tracks this near to the axis (cm), both of a pair, are not tried as a V0: the pair comes from the interaction.
_SMALLEST_V0_D0 = 0.03


@part
def _helix_of(row, charge):  # type: ignore[no-untyped-def]  # compiled
    """The `Helix` in a track's row."""
    return Helix(row[TRACK_PX], row[TRACK_PY], row[TRACK_PZ], charge, row[TRACK_D0], row[TRACK_Z0])


@part
def find_v0s(work, detector, rows):  # type: ignore[no-untyped-def]  # compiled
    """Fill ``rows`` (capacity, V0_COLUMNS) with the V0s of an event's tracks; returns their number."""
    tracks = work.tracks
    field = detector.geometry.field
    count = 0
    for a in range(work.count[TRACKS]):
        if tracks[a, TRACK_CHARGE] < 0.0:
            continue
        for b in range(work.count[TRACKS]):
            if tracks[b, TRACK_CHARGE] > 0.0:
                continue
            one, two = tracks[a], tracks[b]
            if abs(one[TRACK_D0]) < _SMALLEST_V0_D0 and abs(two[TRACK_D0]) < _SMALLEST_V0_D0:
                continue
            vertex = pair_vertex(_helix_of(one, 1.0), _helix_of(two, -1.0), field)
            radius = math.hypot(vertex.x, vertex.y)
            if not vertex.is_found or radius < detector.geometry.beam_pipe_radius or radius > LARGEST_RADIUS:
                continue
            if vertex.gap > detector.tracking.v0_gap:
                continue
            count = add_hypotheses(rows, count, a, b, vertex, one[TRACK_PZ], two[TRACK_PZ])
    return count


@part
def add_beam_background(work, detector):  # type: ignore[no-untyped-def]  # compiled
    """Tracks of no particle and what the beams alone leave."""
    for _ in range(poisson(work.state, detector.tracking.fake_rate + detector.background.tracks)):
        add_soft_track(work, detector, -1, FROM_BEAM, False)
    for _ in range(poisson(work.state, detector.background.clusters)):
        if work.count[CLUSTERS] < len(work.clusters) // 2:
            beam_cluster(work, detector)


@part
def _grown(rows, needed):  # type: ignore[no-untyped-def]  # compiled
    """The array itself, or a copy of at least twice its length with room for ``needed`` rows."""
    if needed <= len(rows):
        return rows
    larger = np.empty((max(needed, 2 * len(rows)), rows.shape[1]))
    for i in range(len(rows)):
        for column in range(rows.shape[1]):
            larger[i, column] = rows[i, column]
    return larger


@part
def _copied(source, count, target, filled):  # type: ignore[no-untyped-def]  # compiled
    """Append the first ``count`` rows to ``target``, which is returned, grown where needed."""
    target = _grown(target, filled + count)
    for i in range(count):
        for column in range(source.shape[1]):
            target[filled + i, column] = source[i, column]
    return target


@kernel
def simulate_events(offsets, particle, mother, columns, keys, parameters, workspace):  # type: ignore[no-untyped-def]  # compiled
    """Simulate all events.

    Parameters
    ----------
    offsets : (n_events + 1,) nodes of each event.
    particle, mother : (n_nodes,) of `smartbkg.graphs.decay_tree.DecayGraphs`.
    columns : tuple of PDG, px, py, pz, x, y, z, prodTime of the batch.
    keys : (n_events,) uint64, seeds of the events' streams.
    parameters : (1,) of `smartbkg.experiment.detector.parameters.DetectorParameters.to_record`.
    workspace : (1,) of `smartbkg.experiment.detector.workspace.WORKSPACE`.

    Returns
    -------
    (ends, tracks, clusters, v0s, klm, failed): ``ends`` (n_events + 1, 5) int64 holds the running number of tracks,
    clusters, V0s, KLM clusters and, for each event, unknown particles; ``failed`` is the first event with a cycle
    (its position), or with more than the workspace holds (-2 - its position), or -1.
    """
    n_events = len(offsets) - 1
    most = 0
    for event in range(n_events):
        most = max(most, offsets[event + 1] - offsets[event])
    work = workspace[0]
    detector = parameters[0]
    v0_rows = np.empty((4096, V0_COLUMNS))
    parent = np.empty(len(work.clusters), np.int64)
    marks = Marks(np.empty(most, np.bool_), np.empty(most, np.bool_), np.empty(most, np.bool_))
    tracks, clusters = np.empty((16 * n_events + 16, TRACK_COLUMNS)), np.empty((40 * n_events + 16, CLUSTER_COLUMNS))
    v0s, klm = np.empty((4 * n_events + 16, V0_COLUMNS)), np.empty((4 * n_events + 16, KLM_COLUMNS))
    ends = np.zeros((n_events + 1, 5), np.int64)
    for event in range(n_events):
        for i in range(len(work.count)):
            work.count[i] = 0
        work.state[0] = keys[event]
        nodes = Nodes(offsets[event], offsets[event + 1], particle, mother)
        taken = push_final_state(work, detector, nodes, columns, marks)
        if taken == CYCLE:
            return ends, tracks, clusters, v0s, klm, event
        while work.count[STACKED] > 0:
            pass_particle(work, detector)
        add_beam_background(work, detector)
        n_clusters = merge_showers(work.clusters, work.count[CLUSTERS], detector.calorimeter.separation)
        link_tracks(
            work.clusters, n_clusters, work.tracks, work.count[TRACKS], detector.calorimeter.match_angle,
            detector.geometry.ecl_radius,
        )  # fmt: skip
        n_clusters = add_hadron_sums(work.clusters, n_clusters, detector.calorimeter, parent, work.state)
        if work.count[OVERFLOW] > 0:
            return ends, tracks, clusters, v0s, klm, -2 - event
        n_v0s = find_v0s(work, detector, v0_rows)
        tracks = _copied(work.tracks, work.count[TRACKS], tracks, ends[event, 0])
        clusters = _copied(work.clusters, n_clusters, clusters, ends[event, 1])
        v0s = _copied(v0_rows, n_v0s, v0s, ends[event, 2])
        klm = _copied(work.klm, work.count[KLM], klm, ends[event, 3])
        ends[event + 1, 0] = ends[event, 0] + work.count[TRACKS]
        ends[event + 1, 1] = ends[event, 1] + n_clusters
        ends[event + 1, 2] = ends[event, 2] + n_v0s
        ends[event + 1, 3] = ends[event, 3] + work.count[KLM]
        ends[event + 1, 4] = work.count[UNKNOWN]
    return ends, tracks, clusters, v0s, klm, -1
