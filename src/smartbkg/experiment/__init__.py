"""The embedded default experiment: generator, detector, reconstruction and skims of a parametrised Belle II."""
