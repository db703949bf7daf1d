"""Event-level variables as a reader of plots knows them: symbol and unit."""

from __future__ import annotations

from typing import Final

from smartbkg.events.generator_level import GENERATOR_PREFIX, GENERATOR_VARIABLES

_TITLES: Final = {
    "Mbc": "M_bc of the best B⁰ tag [GeV]",
    "Mbc_Bplus": "M_bc of the best B⁺ tag [GeV]",
    "deltaE": "ΔE of the best B⁰ tag [GeV]",
    "deltaE_Bplus": "ΔE of the best B⁺ tag [GeV]",
    "signalProbability": "signal probability of the best B⁰ tag",
    "signalProbability_Bplus": "signal probability of the best B⁺ tag",
    "signalProbabilitySL": "signal probability of the best semileptonic B⁰ tag",
    "signalProbabilitySL_Bplus": "signal probability of the best semileptonic B⁺ tag",
    "cosThetaBY": "cos θ_BY of the best semileptonic B⁰ tag",
    "cosThetaBY_Bplus": "cos θ_BY of the best semileptonic B⁺ tag",
    "R2": "R₂ (Fox–Wolfram)",
    "thrust": "thrust",
    "sphericity": "sphericity",
    "aplanarity": "aplanarity",
    "nTracks": "number of tracks",
    "nClusters": "number of clusters",
    "nPhotons": "number of photons",
    "totalCharge": "total charge [e]",
    "visibleEnergy": "visible energy in the CMS [GeV]",
    "missingMomentum": "missing momentum [GeV]",
    "missingMomentumCMS": "missing momentum in the CMS [GeV]",
    "missingMomentumTheta": "polar angle of the missing momentum [rad]",
    "missingMass2": "missing mass squared [GeV²]",
    "E_ECL": "energy in the calorimeter [GeV]",
}


def variable_title(name: str) -> str:
    """Axis title of a variable: its symbol where known, its name otherwise.

    >>> variable_title("R2")
    'R₂ (Fox–Wolfram)'
    """
    own = name.removeprefix(GENERATOR_PREFIX)
    if own in GENERATOR_VARIABLES and (own != name or name not in _TITLES):
        unit = GENERATOR_VARIABLES[own]
        return f"{own} at generator level" + (f" [{unit}]" if unit else "")
    return _TITLES.get(name, name)
