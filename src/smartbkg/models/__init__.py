"""Networks, the file that holds one, and the fast runtime. Importing this needs no torch."""

from smartbkg.models.build import Architecture, build_model, parse_config
from smartbkg.models.bundle import ModelBundle, load_bundle, save_bundle
from smartbkg.models.calibration import Calibration
from smartbkg.models.config import GATGAPConfig, ModelConfig

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
]
