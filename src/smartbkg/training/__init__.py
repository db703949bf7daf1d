"""From events and flags to a trained model: data sets, losses, the training loop, calibration, checkpoints."""
