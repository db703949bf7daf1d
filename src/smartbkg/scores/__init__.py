"""What a score is worth: calibration and metrics."""
