"""Upstream's import path of the modules for training data: they write the files that upstream's do."""

import functools

from smartbkg.b2modules import NN_trainer_module as _modules
from smartbkg.b2modules.NN_trainer_module import SaveFlag


class TrainDataSaver(_modules.TrainDataSaver):
    """`smartbkg.b2modules.NN_trainer_module.TrainDataSaver`, with upstream's layout unless another is asked for."""

    __init__ = functools.partialmethod(_modules.TrainDataSaver.__init__, layout="upstream")


class data_production(_modules.data_production):  # noqa: N801 - upstream's name
    """`smartbkg.b2modules.NN_trainer_module.data_production`, with upstream's layout unless another is asked for."""

    __init__ = functools.partialmethod(_modules.data_production.__init__, layout="upstream")


__all__ = ["SaveFlag", "TrainDataSaver", "data_production"]
