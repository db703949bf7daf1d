"""From showers to clusters: merging of those too near to be told apart, links to tracks, connected regions."""

from __future__ import annotations

import math

from smartbkg.compilation import part
from smartbkg.experiment.detector.propagation import wrapped
from smartbkg.experiment.detector.workspace import (
    CLUSTER_COLUMNS,
    CLUSTER_DISTANCE,
    CLUSTER_ENERGY,
    CLUSTER_IS_HADRON,
    CLUSTER_IS_PHOTON,
    CLUSTER_PHI,
    CLUSTER_THETA,
    CLUSTER_TRACK,
    TRACK_PHI_ECL,
    TRACK_THETA_ECL,
)
from smartbkg.experiment.random_stream import uniform

#: basf2's value of the distance to the nearest track where there is none.
NO_TRACK_DISTANCE = 250.0
_HADRON_SUM = 0.97  # the summed cluster holds this share of its photons' energies in the reference events


@part
def angle_between(theta_1: float, phi_1: float, theta_2: float, phi_2: float) -> float:
    """Angle (rad) between two near directions; an overestimate for far ones, of no use there."""
    d_phi = wrapped(phi_1 - phi_2) * math.sin(0.5 * (theta_1 + theta_2))
    return math.hypot(theta_1 - theta_2, d_phi)


@part
def merge_showers(clusters, count, separation):  # type: ignore[no-untyped-def]  # compiled
    """Merge showers nearer than ``separation`` (rad) into the more energetic one; returns the new count.

    Energies add, the position is the mean weighted with energy, a track's link survives.
    """
    i = 0
    while i < count:
        j = i + 1
        while j < count:
            first, second = clusters[i], clusters[j]
            if (
                abs(first[CLUSTER_THETA] - second[CLUSTER_THETA]) < separation
                and angle_between(first[CLUSTER_THETA], first[CLUSTER_PHI], second[CLUSTER_THETA], second[CLUSTER_PHI])
                < separation
            ):
                total = first[CLUSTER_ENERGY] + second[CLUSTER_ENERGY]
                share = second[CLUSTER_ENERGY] / total
                theta = first[CLUSTER_THETA] + share * (second[CLUSTER_THETA] - first[CLUSTER_THETA])
                phi = first[CLUSTER_PHI] + share * wrapped(second[CLUSTER_PHI] - first[CLUSTER_PHI])
                track = first[CLUSTER_TRACK] if first[CLUSTER_TRACK] >= 0.0 else second[CLUSTER_TRACK]
                if share > 0.5:
                    for column in range(CLUSTER_COLUMNS):
                        first[column] = second[column]
                first[CLUSTER_ENERGY] = total
                first[CLUSTER_THETA] = theta
                first[CLUSTER_PHI] = phi
                first[CLUSTER_TRACK] = track
                count -= 1
                for column in range(CLUSTER_COLUMNS):
                    second[column] = clusters[count, column]
            else:
                j += 1
        i += 1
    return count


@part
def link_tracks(clusters, count, tracks, n_tracks, match_angle, calorimeter_radius):  # type: ignore[no-untyped-def]  # compiled
    """Fill each cluster's distance to the nearest track's entry, and give those nearer than ``match_angle`` to it."""
    for i in range(count):
        cluster = clusters[i]
        nearest, best = 10.0, -1
        for t in range(n_tracks):
            if tracks[t, TRACK_THETA_ECL] < 0.0:
                continue
            angle = angle_between(
                cluster[CLUSTER_THETA], cluster[CLUSTER_PHI], tracks[t, TRACK_THETA_ECL], tracks[t, TRACK_PHI_ECL]
            )
            if angle < nearest:
                nearest, best = angle, t
        if cluster[CLUSTER_TRACK] < 0.0 and nearest < match_angle:
            cluster[CLUSTER_TRACK] = best
        distance = calorimeter_radius / max(0.3, math.sin(cluster[CLUSTER_THETA])) * nearest
        cluster[CLUSTER_DISTANCE] = min(NO_TRACK_DISTANCE, distance)
        cluster[CLUSTER_PHI] = wrapped(cluster[CLUSTER_PHI])


@part
def _root(parent, i):  # type: ignore[no-untyped-def]  # compiled
    while parent[i] != i:
        i = parent[i]
    return i


@part
def add_hadron_sums(clusters, count, calorimeter, parent, state):  # type: ignore[no-untyped-def]  # compiled
    """Connect clusters that touch, and append one hadron cluster a region of several photon clusters.

    Parameters
    ----------
    parent : (capacity,) int64, working space.

    Returns
    -------
    The new count, at most twice the old one.
    """
    for i in range(count):
        parent[i] = i
    near, far = calorimeter.region_near, calorimeter.region_far
    for i in range(count):
        for j in range(i):
            if abs(clusters[i, CLUSTER_THETA] - clusters[j, CLUSTER_THETA]) > far:
                continue
            angle = angle_between(
                clusters[i, CLUSTER_THETA],
                clusters[i, CLUSTER_PHI],
                clusters[j, CLUSTER_THETA],
                clusters[j, CLUSTER_PHI],
            )
            if angle < far and uniform(state) < (far - angle) / (far - near):
                parent[_root(parent, i)] = _root(parent, j)
    total = count
    for root in range(count):
        if parent[root] != root:
            continue
        members, energy, theta, phi, leader = 0, 0.0, 0.0, 0.0, root
        for i in range(count):
            if _root(parent, i) == root:
                cluster = clusters[i]
                members += 1
                energy += cluster[CLUSTER_ENERGY]
                theta += cluster[CLUSTER_ENERGY] * cluster[CLUSTER_THETA]
                phi += cluster[CLUSTER_ENERGY] * wrapped(cluster[CLUSTER_PHI] - clusters[root, CLUSTER_PHI])
                if cluster[CLUSTER_ENERGY] > clusters[leader, CLUSTER_ENERGY]:
                    leader = i
        is_split = members > 1
        if not is_split:
            chance = min(calorimeter.lone_split_maximum, energy / calorimeter.lone_split_scale)
            is_split = uniform(state) < chance
        if not is_split:
            continue
        row = clusters[total]
        for column in range(CLUSTER_COLUMNS):
            row[column] = clusters[leader, column]
        row[CLUSTER_ENERGY] = _HADRON_SUM * energy
        row[CLUSTER_THETA] = theta / energy
        row[CLUSTER_PHI] = wrapped(clusters[root, CLUSTER_PHI] + phi / energy)
        row[CLUSTER_IS_PHOTON] = 0.0
        total += 1
        for i in range(count):
            if _root(parent, i) == root:
                clusters[i, CLUSTER_IS_HADRON] = 0.0
                if clusters[i, CLUSTER_TRACK] >= 0.0:
                    row[CLUSTER_TRACK] = clusters[i, CLUSTER_TRACK]
    return total
