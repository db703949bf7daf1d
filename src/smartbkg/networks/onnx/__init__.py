"""ONNX in the signature of Belle II's module: run, described, written."""
