"""Adam (Kingma and Ba 2015) on the dense parameters, written out: torch.optim costs five seconds to import and
keeps its state where a checkpoint of plain arrays has to dig for it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Bias-corrected Adam over a module's parameters; every parameter must have a gradient at each step."""

    def __init__(self, module: nn.Module, rate: float) -> None:
        self.rate = rate
        self.steps = 0
        self._parameters = dict(module.named_parameters())
        self._first = {name: torch.zeros_like(parameter) for name, parameter in self._parameters.items()}
        self._second = {name: torch.zeros_like(parameter) for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients, which are cleared."""
        self.steps += 1
        rate = self.rate * math.sqrt(1 - _BETA_2**self.steps) / (1 - _BETA_1**self.steps)
        for name, parameter in self._parameters.items():
            gradient = parameter.grad
            if gradient is None:
                raise ValueError(f"parameter {name} has no gradient")
            first, second = self._first[name], self._second[name]
            first.lerp_(gradient, 1 - _BETA_1)
            second.mul_(_BETA_2).addcmul_(gradient, gradient, value=1 - _BETA_2)
            parameter.addcdiv_(first, second.sqrt().add_(_EPSILON), value=-rate)
            parameter.grad = None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The optimizer's state, for a checkpoint."""
        arrays: dict[str, NDArray[Any]] = {"adam_steps": np.array([self.steps], np.int64)}
        for name in self._parameters:
            arrays[f"adam_first.{name}"] = self._first[name].numpy()
            arrays[f"adam_second.{name}"] = self._second[name].numpy()
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """The inverse of `to_arrays`."""
        self.steps = int(arrays["adam_steps"][0])
        for name in self._parameters:
            self._first[name].copy_(torch.from_numpy(arrays[f"adam_first.{name}"].copy()))
            self._second[name].copy_(torch.from_numpy(arrays[f"adam_second.{name}"].copy()))
