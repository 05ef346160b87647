"""Tensors of torch: stored by their elements, digested by all that a body can see of them."""

from __future__ import annotations

import warnings

import pytest

from cachepy import AlteredResultWarning, Session, cache_file, use_session
from cachepy.store.entryfile import load_value
from cachepy.store.payload import pack

torch = pytest.importorskip("torch")

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.int64, torch.bool,
    torch.complex64, torch.float8_e4m3fn,
]  # fmt: skip
SHAPES = [(), (0,), (3,), (2, 0, 3), (2, 3), (1, 1, 1, 5)]


@pytest.fixture
def session():
    with use_session(Session()) as found:
        yield found


def there_and_back(value):
    payload = pack(value)
    return load_value(payload.pickle, payload.buffers)


def digest(session, value):
    return session.digester.digest(value)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_kind_comes_back_as_it_was(session, dtype, shape):
    made = (torch.rand(shape) * 100).to(dtype)
    back = there_and_back(made)
    assert (back.dtype, back.shape, back.device, type(back)) == (dtype, made.shape, made.device, torch.Tensor)
    assert torch.equal(back.to(torch.complex128), made.to(torch.complex128))
    assert digest(session, back) == digest(session, made)
    if made.numel():
        back.view(-1)[0] = 1  # it can be written to
        assert digest(session, back) != digest(session, made) or made.view(-1)[0] == 1


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x.t(), lambda x: x[:, ::2], lambda x: x.flip(0), lambda x: x[1], lambda x: x.expand(2, 4, 6),
        lambda x: x.to(torch.complex64).conj(), lambda x: torch._neg_view(x),
    ],
)  # fmt: skip
def test_views_come_back_by_their_elements(session, made):
    view = made(torch.arange(24.0).reshape(4, 6))
    back = there_and_back(view)
    assert torch.equal(back, view)
    assert digest(session, back) == digest(session, view) == digest(session, view.clone())
    large = torch.arange(1_000_000.0)[5:8]
    assert pack(large).size < 1000, "not all that it is a view of"


@pytest.mark.parametrize("made", [
    lambda x: x.to_sparse(), lambda x: x.to_sparse_csr(), lambda x: x.to_sparse_csc(), lambda x: x.to("meta"),
    lambda x: torch.quantize_per_tensor(x, 0.1, 2, torch.qint8), lambda x: torch.nested.nested_tensor([x, x[:2]]),
])  # fmt: skip
def test_other_layouts(session, made):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, again, other = made(torch.eye(3)), made(torch.eye(3)), made(torch.eye(3) * 2)
        back = there_and_back(first)
        assert digest(session, first) == digest(session, again) == digest(session, back)
        assert (digest(session, first) == digest(session, other)) == first.is_meta


def test_what_a_body_can_see_counts(session):
    made = torch.ones(3)
    seen = [
        made, made.clone().requires_grad_(), made.double(), made.reshape(1, 3), torch.nn.Parameter(made.clone()),
        torch.nn.Parameter(made.clone(), requires_grad=False), made.to_sparse(),
    ]  # fmt: skip
    named = made.clone()
    named.label = "x"
    graded = made.clone().requires_grad_()
    graded.sum().backward()
    assert len({digest(session, each) for each in [*seen, named, graded]}) == len(seen) + 2


def test_gradients_and_attributes_come_back(session):
    model = torch.nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    model.weight.label = "w"
    back = there_and_back(model)
    assert torch.equal(back.weight.grad, model.weight.grad)
    assert back.weight.label == "w"
    assert digest(session, back) == digest(session, model)


def test_one_parameter_in_two_places_stays_one():
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    back = there_and_back(model)
    assert back["a"].weight is back["b"].weight
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    both = there_and_back((model, optimizer))
    assert both[1].param_groups[0]["params"][0] is both[0]["a"].weight


def test_of_hooks_torch_itself_says_that_they_go():
    made = torch.ones(2, requires_grad=True)
    made.register_hook(print)
    with pytest.warns(UserWarning, match="will not be serialized"):
        there_and_back(made)


def test_what_still_knows_its_history_is_said(tmp_path, session):
    @cache_file(tmp_path, warn_cheap=False)
    def loss(x):
        weight = torch.ones(1, requires_grad=True)
        return (weight * x).sum()

    with pytest.warns(AlteredResultWarning, match=r"detach\(\)"):
        loss(2.0)


def test_a_hit_is_the_callers_own(tmp_path, session):
    @cache_file(tmp_path, warn_cheap=False)
    def made(n):
        return torch.zeros(n)

    for n in (3, 300_000):  # in the pickle, and mapped
        made(n)
        made(n)[0] = 5
        assert made(n)[0] == 0


class Labelled(torch.Tensor):
    """A class of the user's."""


def test_subclasses_keep_their_class(session):
    made = torch.ones(3).as_subclass(Labelled)
    back = there_and_back(made)
    assert type(back) is Labelled
    assert digest(session, back) == digest(session, made) != digest(session, torch.ones(3))
