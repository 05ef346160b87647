"""Canonical forms of torch objects, from what they are made of.

torch pickles a tensor as the archive that `torch.save` writes, in which the number of an object in memory shows.
Reached only through a value of torch, so that importing it here costs nothing new.
"""

from __future__ import annotations

from cachepy.values.builtin_normalizers import attributes_of, once_read
from cachepy.values.references import digest_bytes, form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler


def torch_rule(cls: type) -> Rule | None:
    """The rule for a class that derives from one of torch; None: as pickle does it."""
    import torch

    if issubclass(cls, torch.Tensor):
        return _tensor_rule
    if issubclass(cls, torch.Generator):
        return _generator
    return None


def bytes_of(tensor: Any) -> Any:
    """The elements of a dense tensor in C order, as an array of bytes; a view of its memory where that can be."""
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy()


def is_dense(tensor: Any) -> bool:
    """Whether its elements lie one after the other, each in its bytes."""
    import torch

    is_plain = tensor.layout is torch.strided and not tensor.is_quantized and not tensor.is_nested
    is_made_of_others = type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__
    return bool(is_plain and not tensor.is_meta and not is_made_of_others)


def _tensor(tensor: Any, pickler: ValuePickler) -> Any:
    if not tensor.is_leaf:
        pickler.found.dropped.append("how its gradients come about (detach() ends that)")
    shape = "nested" if tensor.is_nested else tuple(tensor.shape)
    about = str(tensor.dtype), shape, str(tensor.device), tensor.requires_grad, tensor.is_leaf
    grad = tensor.grad if tensor.is_leaf else None  # of another one torch warns
    names = [row for row in attributes_of(tensor) if row[0] != "_backward_hooks"]
    return form("tensor", type(tensor), *about, _elements(tensor), grad, names)


_tensor_rule = once_read(_tensor, lambda tensor: tensor.numel() * tensor.element_size() if is_dense(tensor) else 0)


def _elements(tensor: Any) -> Any:
    """What it holds, whatever its layout."""
    import torch

    if is_dense(tensor):
        return digest_bytes(bytes_of(tensor))
    layout = str(tensor.layout)
    if tensor.is_meta:
        return layout
    if tensor.is_quantized:
        return layout, str(tensor.qscheme()), tensor.dequantize(), tensor.int_repr()
    if tensor.is_nested:
        return layout, list(tensor.unbind())
    if tensor.layout is torch.sparse_coo:
        plain = tensor.detach().coalesce()
        return layout, tensor.dense_dim(), plain.indices(), plain.values()
    if layout in _COMPRESSED:
        return layout, [getattr(tensor.detach(), part)() for part in _COMPRESSED[layout]]
    return _by_parts(tensor)


_ROWS, _COLUMNS = ("crow_indices", "col_indices", "values"), ("ccol_indices", "row_indices", "values")
_COMPRESSED = {
    "torch.sparse_csr": _ROWS, "torch.sparse_bsr": _ROWS, "torch.sparse_csc": _COLUMNS, "torch.sparse_bsc": _COLUMNS,
}  # fmt: skip


def _by_parts(tensor: Any) -> Any:
    """A tensor that is made of others, as torch itself takes it apart; or as a dense one."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return str(tensor.layout), tensor.to_dense()
    names, about = flatten()
    return [getattr(tensor, name) for name in names], about


def _generator(made: Any, _: ValuePickler) -> Any:
    return form("generator", type(made), str(made.device), made.get_state())
