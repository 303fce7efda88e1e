from contextlib import nullcontext

import pytest
import torch
from tiny import sst2_tree
from torch import nn

from multimodal_emotion import extraction, runs, training
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, CorpusConfig, ModelConfig, TrainingConfig
from multimodal_emotion.encoders._onednn import (
    PAYS_FROM,
    PackedLinear,
    Product,
    TrainedLinear,
    packed_linear,
    trained_linear,
)
from multimodal_emotion.encoders.bert import Bert


def calls(monkeypatch) -> list[tuple[int, ...]]:
    """The shapes that go through oneDNN from now on."""
    seen: list[tuple[int, ...]] = []
    original = PackedLinear._linear

    def noted(self, values, *rest):
        seen.append(tuple(values.shape))
        return original(self, values, *rest)

    monkeypatch.setattr(PackedLinear, "_linear", noted)
    return seen


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("inference", [True, False])
def test_the_numbers_stay(monkeypatch, bias, inference):
    seen = calls(monkeypatch)
    layer = nn.Linear(24, 40, bias=bias)
    with torch.inference_mode() if inference else torch.no_grad():
        for values in (torch.randn(PAYS_FROM, 24), torch.randn(3, 7, 24), torch.randn(24, 300).T):
            expected = layer(values)
            with packed_linear("cpu"):
                layer(torch.randn(PAYS_FROM, 24))
                found = layer(values)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert len(seen) == 6


def test_weights_changed_between_contexts_are_packed_anew():
    layer, values = nn.Linear(24, 40), torch.randn(PAYS_FROM, 24)
    for _ in range(2):
        with torch.no_grad():
            layer.weight.add_(1)
            with packed_linear("cpu"):
                found = layer(values)
            torch.testing.assert_close(found, layer(values), atol=1e-4, rtol=1e-5)


def test_what_it_must_leave_alone(monkeypatch):
    seen = calls(monkeypatch)
    layer, values = nn.Linear(24, 40), torch.randn(PAYS_FROM, 24)
    with packed_linear("cpu"):
        layer(values).sum().backward()
        with torch.no_grad():
            layer(values[:2])
            layer(values[0])
            nn.functional.linear(values, layer.weight + 0)
            nn.functional.linear(values, weight=layer.weight)
            layer.double()(values.double())
            with torch.autocast("cpu", dtype=torch.bfloat16):
                assert nn.Linear(24, 40)(values).dtype == torch.bfloat16
    assert layer.weight.grad is not None
    assert seen == []


def test_other_devices_keep_their_own():
    assert not isinstance(packed_linear("cuda"), PackedLinear)
    assert not isinstance(trained_linear("cuda"), TrainedLinear)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(PAYS_FROM, 24), (8, PAYS_FROM // 8, 24)])
def test_gradients_stay(bias, shape):
    layer, values = nn.Linear(24, 40, bias=bias), torch.randn(shape, requires_grad=True)
    wanted = [values, *layer.parameters()]
    expected = torch.autograd.grad(layer(values).square().sum(), wanted)
    with trained_linear("cpu"):
        result = layer(values)
    assert type(result.grad_fn).__name__ == "ProductBackward"
    for own, other in zip(torch.autograd.grad(result.square().sum(), wanted), expected, strict=True):
        torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4)


def test_a_frozen_layer_passes_its_gradient_on_and_gets_none():
    layer, values = nn.Linear(24, 40).requires_grad_(False), torch.randn(PAYS_FROM, 24, requires_grad=True)
    with trained_linear("cpu"):
        result = layer(values)
    held = [tensor for tensor in result.grad_fn.saved_tensors if tensor is not None]
    assert [tensor.data_ptr() for tensor in held] == [layer.weight.data_ptr()]
    result.sum().backward()
    assert layer.weight.grad is None
    assert values.grad is not None
    torch.testing.assert_close(values.grad[0], layer.weight.sum(0), atol=1e-5, rtol=1e-5)


def test_what_training_must_leave_alone(monkeypatch):
    monkeypatch.setattr(Product, "apply", lambda *_: pytest.fail("went through oneDNN"))
    layer, values = nn.Linear(24, 40), torch.randn(PAYS_FROM, 24)
    with trained_linear("cpu"):
        layer(values[:2])
        layer(values[0])
        with torch.no_grad():
            layer(values)
        layer.double()(values.double())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            nn.Linear(24, 40)(values)


def test_a_training_in_float32_learns_the_same(monkeypatch, tmp_path, tiny_bert_folder):
    tree = sst2_tree(tmp_path / "sst2", train=64, validation=16)
    config = Config(
        corpus=CorpusConfig("sst2", str(tree)),
        model=ModelConfig(encoders={"text": {"type": "bert", "checkpoint": str(tiny_bert_folder)}}),
        training=TrainingConfig(epochs=2, batch_size=32, precision="32"),
    )
    passes = []
    monkeypatch.setattr(training, "trained_linear", lambda device: passes.append(device) or trained_linear(device))
    own = runs.train(config, tmp_path / "own", progress=False)
    assert len(passes) == 4
    monkeypatch.setattr(training, "trained_linear", lambda device: nullcontext())
    other = runs.train(config, tmp_path / "other", progress=False)
    assert own.report["train"]["loss"] == pytest.approx(other.report["train"]["loss"], abs=1e-5)


def test_features_stay(monkeypatch, tiny_bert_folder):
    encoder = Bert(str(tiny_bert_folder))
    utterances = [Utterance(id=str(number), text="good bad " * (number % 20 + 1)) for number in range(40)]
    seen = calls(monkeypatch)
    found = extraction.extract(encoder, "text", utterances, batch_size=40)
    assert seen
    monkeypatch.setattr(extraction, "packed_linear", lambda device: nullcontext())
    expected = extraction.extract(encoder, "text", utterances, batch_size=40)
    for row, other in zip(found, expected, strict=True):
        assert row is not None
        assert other is not None
        torch.testing.assert_close(torch.from_numpy(row), torch.from_numpy(other), atol=1e-5, rtol=1e-4)
