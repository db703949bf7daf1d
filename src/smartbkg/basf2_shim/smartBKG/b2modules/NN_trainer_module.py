"""Upstream's import path of the modules for training data."""

from smartbkg.b2modules.NN_trainer_module import SaveFlag, TrainDataSaver, data_production

__all__ = ["SaveFlag", "TrainDataSaver", "data_production"]
