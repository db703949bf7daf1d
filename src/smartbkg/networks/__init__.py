"""Networks, the file that holds one, and the fast runtime. Importing this needs no torch."""

from smartbkg.networks.architectures import Architecture, build_model, parse_config
from smartbkg.networks.bundle import ModelBundle, load_bundle, save_bundle
from smartbkg.networks.config import GATGAPConfig, ModelConfig
from smartbkg.networks.own_networks import use_network
from smartbkg.scores.calibration import Calibration

__all__ = [
    "Architecture",
    "Calibration",
    "GATGAPConfig",
    "ModelBundle",
    "ModelConfig",
    "build_model",
    "load_bundle",
    "parse_config",
    "save_bundle",
    "use_network",
]
