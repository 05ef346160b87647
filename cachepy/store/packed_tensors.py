"""How tensors of torch are stored: their elements as an array beside the pickle, which is mapped when it is large.

torch's own pickle of a tensor is an archive of all the memory that it is a view of, written and read through copies.
`rebuilt` and `set_attributes` stand in stored pickles under this module's name: who moves them says so in `addresses`.
"""

from __future__ import annotations

import copyreg
import sys
from collections import ChainMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def table_for(pickler: Any) -> Mapping[type, Any]:
    """What a pickler has to know, tensors among it."""
    known = getattr(pickler, "dispatch_table", copyreg.dispatch_table)
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "nn"):  # it is just being loaded
        return known
    return ChainMap({torch.Tensor: _reduced, torch.nn.Parameter: _reduced}, known)


def _reduced(tensor: Any) -> Any:
    from cachepy.values.tensors import bytes_of, is_dense

    if not is_dense(tensor) or tensor.device.type != "cpu" or not tensor.is_leaf or tensor._backward_hooks:
        return tensor.__reduce_ex__(5)
    about = tensor.dtype, tuple(tensor.shape), tensor.requires_grad
    made = rebuilt, (type(tensor), bytes_of(tensor), *about, tensor.grad)
    return (*made, tensor.__dict__, None, None, set_attributes) if tensor.__dict__ else made


def rebuilt(cls: type, data: Any, dtype: Any, shape: tuple[int, ...], needs_grad: bool, grad: Any) -> Any:
    """A tensor over an array of bytes."""
    import torch

    if len(data):
        tensor = torch.from_numpy(data if data.flags.writeable else data.copy()).view(dtype).reshape(shape)
    else:
        tensor = torch.empty(shape, dtype=dtype)
    if cls is not torch.Tensor:
        tensor = torch.nn.Parameter(tensor, requires_grad=needs_grad)
    elif needs_grad:
        tensor.requires_grad_()
    tensor.grad = grad
    return tensor


def set_attributes(tensor: Any, attributes: dict[str, Any]) -> None:
    """What a program hung on a tensor."""
    tensor.__dict__.update(attributes)
