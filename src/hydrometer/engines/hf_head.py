"""The output head with its weights put in order for few rows.

A vocabulary makes the head the largest matrix of a small model. On a processor, a product of it with some tens of rows
runs at half the rate of a large one unless its weights were put in the order in which they are read. That takes the
matrix a second time, so it is done for this one alone and up to a size. For replies only: scores are computed by the
model's own head, where it is no slower and rounds a little less.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch

_LARGEST = 1 << 30
"""Bytes of a head up to which it is kept a second time."""


class Head:
    """The output head of a model, computed from ordered weights where torch has them.

    Args:
        model: The transformers model.
    """

    def __init__(self, model: Any) -> None:
        self._module = model.get_output_embeddings()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model compute with it; where it cannot be had, the model's own head stays."""
        ordered = _kept(self._module)
        if ordered is None:
            yield
            return
        self._module.forward = partial(_product, ordered=ordered)
        try:
            yield
        finally:
            del self._module.forward


def _product(rows: Any, ordered: Any) -> Any:
    return torch.ops.mkldnn._linear_pointwise(rows, ordered, None, "none", [], "")


_KEPT: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
# By module: a base and its student may share one.


def _kept(module: Any) -> Any:
    if module is None:
        return None
    if module not in _KEPT:
        _KEPT[module] = _ordered(module)
    return _KEPT[module]


def _ordered(module: Any) -> Any:
    """Weights in the order of few rows, None where the module is another, too large, or torch cannot or errs."""
    # Not a subclass: an adapter's is one, and computes more than a product.
    if type(module) is not torch.nn.Linear or module.bias is not None:
        return None
    weight = module.weight.detach()
    if weight.dtype is not torch.float32 or weight.device.type != "cpu" or weight.nbytes > _LARGEST:
        return None
    try:
        with torch.inference_mode():
            ordered = torch.ops.mkldnn._reorder_linear_weight(weight, 16)
            probe = torch.linspace(-1, 1, 4 * weight.shape[1]).reshape(4, -1)
            found, own = _product(probe, ordered), torch.nn.functional.linear(probe, weight)
            return ordered if torch.allclose(found, own, rtol=1e-4, atol=1e-3) else None
    except (RuntimeError, AttributeError, TypeError):
        return None
