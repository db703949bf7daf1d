from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.networks import load_bundle
from smartbkg.training.distributed import backend_of, own_device

CONFIG = {
    "network": {"architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2, "emb_size": 4},
    "sampling": {"events_per_epoch": 512, "symmetries": ["mirror", "rotation"]},
    "optimiser": {"epochs": 2, "batch_size": 100},
    "run": {"threads": 1, "device": "cpu"},
}


def test_processes_take_a_gpu_each_and_share_them_where_there_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert own_device(cuda) == cuda
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert (own_device(cuda), own_device(torch.device("cuda:0")), own_device(cpu)) == (
        torch.device("cuda:1"), torch.device("cuda:0"), cpu,
    )  # fmt: skip
    assert (backend_of(own_device(cuda)), backend_of(cpu)) == ("cpu:gloo,cuda:nccl", "gloo")
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert own_device(cuda) == torch.device("cuda:1")
    assert backend_of(own_device(cuda)) == "gloo"


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["cross_entropy", "optimal_speed_up"])
def test_two_processes_train_the_network_of_one(tmp_path: Path, loss: str) -> None:
    events = toy_events(2000, 1)
    write_events(tmp_path / "F.parquet", events)
    write_flags(tmp_path / "R.parquet", toy_flags(events))
    options = DatasetOptions(("kaons",))
    build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet", options)
    (tmp_path / "C.yaml").write_text(json.dumps(CONFIG | {"loss": {"name": loss}}))
    smartbkg = str(Path(sys.executable).with_name("smartbkg"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [smartbkg, "train", "T.parquet", "-c", "C.yaml", "-o"]
    alone = subprocess.run([*command, "one.safetensors"], cwd=tmp_path, capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr
    processes = [
        subprocess.Popen(
            [*command, "two.safetensors"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"},
        )
        for rank in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[1][1].count("epoch 1/") == 0
    one, two = (load_bundle(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    for name, weights in one.state.items():
        np.testing.assert_allclose(two.state[name], weights, rtol=2e-2, atol=5e-3, err_msg=name)
    assert two.metrics["validation"]["kaons"]["auc"] == pytest.approx(
        one.metrics["validation"]["kaons"]["auc"], abs=1e-3
    )
