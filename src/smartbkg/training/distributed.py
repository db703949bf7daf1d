"""Several processes with one batch between them (torchrun): sums and gradients are added up over all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Workers:
    """This process among those that train together.

    Attributes
    ----------
    rank : number of this process; 0 reports, validates and writes.
    size : how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process reports and writes."""
        return self.rank == 0

    def share(self, n: int) -> slice:
        """The part of n events of a batch that this process computes."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over all processes; the tensor given is not changed."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace the gradients by their sums over all processes, in one message."""
        if self.size == 1:
            return
        everyone = list(parameters)
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in everyone])
        distributed.all_reduce(flat)
        for parameter, part in zip(everyone, torch.split(flat, [p.numel() for p in everyone]), strict=True):
            parameter.grad = part.view_as(parameter)

    def from_first(self, numbers: Sequence[float]) -> list[float]:
        """The numbers that the first process has; the others give as many."""
        if self.size == 1:
            return list(numbers)
        box = torch.tensor(numbers, dtype=torch.float64)
        distributed.broadcast(box, src=0)
        return [float(number) for number in box]


def own_device(device: torch.device) -> torch.device:
    """The device of this process: of those that torchrun starts on one machine with ``cuda``, each takes the next GPU.

    Where there are fewer GPUs than processes they share them.
    """
    place = os.environ.get("LOCAL_RANK")
    if str(device) != "cuda" or place is None:
        return device
    return torch.device("cuda", int(place) % torch.cuda.device_count())


def backend_of(device: torch.device) -> str:
    """How the processes talk: NCCL between GPUs and gloo for the rest; gloo alone where processes share a GPU."""
    if device.type != "cuda" or int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > torch.cuda.device_count():
        return "gloo"
    return "cpu:gloo,cuda:nccl"


def join_workers(device: torch.device) -> Workers:
    """This process's place, from the environment that torchrun sets; alone without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Workers()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group(backend_of(device))
    return Workers(distributed.get_rank(), size)


def leave_workers(workers: Workers) -> None:
    """End the group of processes."""
    if workers.size > 1 and distributed.is_initialized():
        distributed.destroy_process_group()
