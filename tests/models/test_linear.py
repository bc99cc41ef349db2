# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Linear layers compute what torch's do, by whichever kernel."""

import weakref

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters
from transformers import BitsAndBytesConfig

from modeling_allinone import AllInOneModel
from modeling_allinone.models import linear_allinone
from modeling_allinone.models.linear_allinone import AllInOneLinear, linear


@pytest.fixture(params=(1, 2))
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.grad
@pytest.mark.parametrize("shape", ((3, 7, 16), (4, 40, 16), (2, 3, 64, 16), (1025, 16)))
@pytest.mark.parametrize("has_bias", (True, False))
def test_products_and_gradients_are_those_of_torch(shape, has_bias, threads):
    layer = AllInOneLinear(16, 24, bias=has_bias)
    given = torch.randn(shape, requires_grad=True)
    weights = torch.randn(*shape[:-1], 24)
    found, expected = [], []
    for results, run in (
        (found, layer),
        (expected, lambda rows: nn.functional.linear(rows, layer.weight, layer.bias)),
    ):
        product = run(given)
        results += [product, *torch.autograd.grad((product * weights).sum(), [given, *layer.parameters()])]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)
    assert found[0].is_contiguous() and all(
        one.stride() == other.stride() for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.grad
def test_gradients_have_gradients(threads):
    given, weight, bias = (torch.randn(shape, requires_grad=True) for shape in ((200, 16), (24, 16), (24,)))
    found, expected = [], []
    for results, multiply in ((found, linear), (expected, nn.functional.linear)):
        gradients = torch.autograd.grad(
            multiply(given, weight, bias).square().sum(), [given, weight, bias], create_graph=True
        )
        size = sum(gradient.square().sum() for gradient in gradients)
        results += [*gradients, *torch.autograd.grad(size, [given, weight, bias])]
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-4)


@pytest.mark.grad
def test_what_comes_out_can_be_changed_in_place(threads):
    """As adapters do."""
    rows, weight = torch.randn(4, 50, 16, requires_grad=True), torch.randn(24, 16, requires_grad=True)
    product = linear(rows, weight)
    product += 1
    product.square().sum().backward()
    expected = torch.autograd.grad((rows @ weight.t() + 1).square().sum(), [rows, weight])
    torch.testing.assert_close([rows.grad, weight.grad], list(expected), atol=1e-3, rtol=1e-4)


@pytest.mark.grad
@pytest.mark.parametrize("is_frozen", (False, True))
def test_what_gradients_need_is_given_free(threads, is_frozen):
    rows, weight = torch.randn(200, 16, requires_grad=True), torch.randn(24, 16, requires_grad=not is_frozen)
    kept = weakref.ref(prepared := rows * 2)
    product = linear(prepared, weight).sum()
    del prepared
    assert (kept() is None) == is_frozen  # its gradient alone needs the rows
    product.backward()
    assert kept() is None
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        product.backward()


def test_rows_of_a_weight_are_enough():
    weight, bias, rows = torch.randn(48, 16), torch.randn(48), torch.randn(2, 100, 16)
    torch.testing.assert_close(linear(rows, weight, bias)[..., 8:20], linear(rows, weight[8:20], bias[8:20]))


@pytest.mark.skipif(not linear_allinone._HAS_FASTER_KERNEL, reason="a CPU on which torch's own kernel is taken")
@pytest.mark.parametrize(
    ("rows", "weight", "is_autocast", "is_convolution"),
    (
        (torch.randn(2000, 16), torch.randn(24, 16), False, True),
        (torch.randn(20, 16), torch.randn(24, 16), False, False),
        (torch.randn(200, 16), torch.randn(24, 16), True, False),
        (torch.randn(200, 16).bfloat16(), torch.randn(24, 16).bfloat16(), False, False),
        (torch.randn(200, 16).double(), torch.randn(24, 16).double(), False, False),
    ),
)
def test_the_kernel_depends_on_rows_and_type(rows, weight, is_autocast, is_convolution, threads):
    with torch.autocast("cpu", torch.bfloat16, enabled=is_autocast), torch.profiler.profile() as profile:
        linear(rows, weight)
    assert ("aten::mkldnn_convolution" in {event.key for event in profile.key_averages()}) == is_convolution


@pytest.mark.grad
@pytest.mark.parametrize("backend", ("aot_eager", pytest.param("inductor", marks=pytest.mark.slow)))
@pytest.mark.parametrize("frozen", ([], ["bias"], ["weight"], ["rows"]))
def test_compiled_products_and_gradients_are_the_same_for_any_number_of_rows(threads, backend, frozen):
    torch._dynamo.reset()
    counters.clear()
    layer = AllInOneLinear(16, 24)
    for name in set(frozen) & {"weight", "bias"}:
        layer.get_parameter(name).requires_grad = False
    compiled = torch.compile(layer, fullgraph=True, backend=backend, dynamic=True)
    for num_rows in (200, 7, 33, 2000):
        given = torch.randn(3, num_rows, 16, requires_grad="rows" not in frozen)
        learned = [tensor for tensor in (given, *layer.parameters()) if tensor.requires_grad]
        product, expected = compiled(given), nn.functional.linear(given, layer.weight, layer.bias)
        torch.testing.assert_close(product, expected)
        found, gradients = (torch.autograd.grad(each.square().sum(), learned) for each in (product, expected))
        torch.testing.assert_close(found, gradients, rtol=1e-4, atol=1e-2)
    assert counters["stats"]["unique_graphs"] <= 2


def test_layers_of_a_model_that_is_to_be_quantised_are_plain(tiny_config):
    """Bitsandbytes replaces those whose type is nn.Linear itself, and passes over others without a word."""
    config = tiny_config()
    assert type(AllInOneModel(config).layers[0].mlp.fc1) is AllInOneLinear
    config.quantization_config = BitsAndBytesConfig(load_in_8bit=True)
    linears = [one for one in AllInOneModel(config).modules() if isinstance(one, nn.Linear)]
    assert linears and {type(one) for one in linears} == {nn.Linear}
