import pytest
import torch
from torch import nn

from multimodal_emotion.encoders._onednn import PAYS_FROM, PackedLinear, packed_linear


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
