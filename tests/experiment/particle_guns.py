"""Events of one particle each, for tests of the detector."""

from __future__ import annotations

import numpy as np

from smartbkg.events import EventBatch
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.detector.objects import DetectorResponse
from smartbkg.experiment.detector.parameters import BELLE2_WITHOUT_BACKGROUND, DetectorParameters

QUIET = BELLE2_WITHOUT_BACKGROUND.replace(
    "quiet", tracking={"fake_rate": 0.0, "clone_curling": 0.0, "clone_straight": 0.0, "interaction_track": 0.0}
)


def gun(
    code: int, momentum: float, theta: float = 75.0, n: int = 2000, vertex: float = 0.0,
    parameters: DetectorParameters = QUIET,
) -> DetectorResponse:  # fmt: skip
    """Response to n events of one particle: momentum in GeV, polar angle in degrees, vertex in cm along its way."""
    azimuth = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    cosine, sine = np.cos(np.radians(theta)), np.sin(np.radians(theta))
    unit = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), np.full(n, cosine)])
    nothing = np.zeros(n)
    columns = dict(zip(("px", "py", "pz"), momentum * unit, strict=True))
    columns |= dict(zip(("x", "y", "z"), vertex * unit, strict=True))
    batch = EventBatch.from_columns(
        np.ones(n),
        {"experiment": nothing, "run": nothing, "evtNum": np.arange(n)},
        {
            **columns, "arrayIndex": nothing, "PDG": np.full(n, code), "motherIndex": nothing - 1, "mass": nothing,
            "charge": nothing, "energy": nothing, "prodTime": nothing, "nDaughters": nothing,
            "status": np.ones(n), "motherPDG": nothing,
        },
    )  # fmt: skip
    return simulate_detector(batch, seed=5, parameters=parameters)
