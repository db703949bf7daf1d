"""A small ONNX model of Belle II's signature whose outputs can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

N_SKIMS = 51
_RANDOM = np.random.default_rng(5)
WEIGHT = _RANDOM.normal(0, 1.0, (8, N_SKIMS)).astype(np.float32)
BIAS = _RANDOM.normal(-9, 1, N_SKIMS).astype(np.float32)


def write_toy_model(path: Path) -> Path:
    """output = mean(x)·WEIGHT + BIAS + mean(pdg)/500 + mean(mother)/50 + c."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8]),
        helper.make_tensor_value_info("pdg", TensorProto.INT32, ["N"]),
        helper.make_tensor_value_info("mother", TensorProto.INT32, ["N"]),
        helper.make_tensor_value_info("c", TensorProto.INT32, []),
    ]
    constants = {"weight": WEIGHT, "bias": BIAS, "pdg_scale": np.float32(500), "mother_scale": np.float32(50)}
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["x_mean"], axes=[0], keepdims=0),
        helper.make_node("MatMul", ["x_mean", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["with_bias"]),
        *_scaled_mean(helper, "pdg"),
        *_scaled_mean(helper, "mother"),
        helper.make_node("Cast", ["c"], ["c_float"], to=TensorProto.FLOAT),
        helper.make_node("Sum", ["with_bias", "pdg_part", "mother_part", "c_float"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes, "toy", inputs, [helper.make_tensor_value_info("output", TensorProto.FLOAT, [N_SKIMS])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, str(path))
    return path


def _scaled_mean(helper: Any, name: str) -> list[Any]:
    return [
        helper.make_node("Cast", [name], [f"{name}_float"], to=1),
        helper.make_node("ReduceMean", [f"{name}_float"], [f"{name}_mean"], axes=[0], keepdims=0),
        helper.make_node("Div", [f"{name}_mean", f"{name}_scale"], [f"{name}_part"]),
    ]


def expected_logits(particles: list[Any], tokens: dict[int, int], event_type: int) -> np.ndarray:
    """The model's outputs for an event, its inputs made as basf2's module SmartBackground makes them."""
    new_index: dict[int, int] = {}
    bridged: dict[int, int] = {}
    rows, pdg, mothers = [], [], []
    first = None
    for index, particle in enumerate(particles):
        vertex = particle.getVertex()
        mother = particle.getMother()
        mother_index = mother.getArrayIndex() if mother else 0
        if particle.isInitial() or vertex.X() >= 10 or vertex.Y() >= 10 or vertex.Z() >= 10:
            continue
        if particle.getPDG() == 21 or abs(particle.getPDG()) <= 5:
            bridged[index] = mother_index
            continue
        new_index[index] = len(rows)
        position = np.array([particle.getProductionTime(), vertex.X(), vertex.Y(), vertex.Z()], dtype=np.float32)
        first = position if first is None else first
        momentum = particle.getMomentum()
        rows.append([*(position - first), particle.getEnergy(), momentum.X(), momentum.Y(), momentum.Z()])
        pdg.append(tokens.get(particle.getPDG(), 0))
        while mother_index > 0 and mother_index in bridged:
            mother_index = bridged[mother_index]
        mothers.append(new_index.get(mother_index, -1))
    x_mean = np.mean(np.array(rows, dtype=np.float32), axis=0)
    return x_mean @ WEIGHT + BIAS + np.mean(pdg) / 500 + np.mean(mothers) / 50 + event_type
