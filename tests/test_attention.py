"""Attention and dropout of training: the same function, the same distribution, fewer steps of the generator."""

import pytest
import torch
from torch import nn

from multimodal_emotion.encoders._attention import SHORT, STEPS, TrainedAttention, attention, noise, trained_attention


def qkv(dtype=torch.float32, time=11):
    torch.manual_seed(0)
    return [torch.randn(3, 2, time, 8, dtype=dtype, requires_grad=True) for _ in range(3)]


def masks():
    seen = torch.ones(3, 1, 1, 11, dtype=torch.bool)
    seen[1, ..., 4:] = False
    return {
        "none": None,
        "seen": seen,
        "square": seen.expand(3, 1, 11, 11),
        "added": torch.zeros(3, 1, 11, 11).masked_fill_(~seen, float("-inf")),
    }


@pytest.mark.parametrize("mask", ["none", "seen", "square", "added"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_what_torch_gives(mask, scale):
    given = qkv()
    expected = nn.functional.scaled_dot_product_attention(*given, masks()[mask], scale=scale)
    own = attention(*given, masks()[mask], 0.0, scale)
    torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-5)
    for one, other in zip(*(torch.autograd.grad(it.square().sum(), given) for it in (own, expected)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_weights_are_dropped_after_the_softmax():
    """With ones as values, each output is the sum of the weights that are kept."""
    query, key, _ = qkv()
    torch.manual_seed(1)
    sums = attention(query, key, torch.ones(3, 2, 11, 1), None, 0.25)
    torch.manual_seed(1)
    weights = torch.softmax(query @ key.transpose(-2, -1) / 8**0.5, -1)
    torch.testing.assert_close(sums[..., 0], (weights * noise(weights, 0.25)).sum(-1))


def test_a_query_that_sees_nothing_gives_and_gets_nothing_undefined():
    given = qkv()
    seen = torch.ones(3, 1, 1, 11, dtype=torch.bool)
    seen[1] = False
    for mask in (seen, torch.zeros(3, 1, 1, 11).masked_fill_(~seen, float("-inf"))):
        result = attention(*given, attn_mask=mask, dropout_p=0.1)
        assert result.isfinite().all()
        assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(result.sum(), given))


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_noise_has_the_probability_and_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    drawn = noise(torch.empty(1000, 1001, dtype=dtype), p)
    assert drawn.dtype == dtype
    assert set(drawn.unique().tolist()) == {0.0, torch.tensor(STEPS / (STEPS - round(p * STEPS)), dtype=dtype).item()}
    dropped = (drawn == 0).double()
    # Six standard deviations of a million draws.
    assert abs(dropped.mean() - p) < 6 * (p * (1 - p) / 1e6) ** 0.5 + 1 / STEPS
    # Four decisions are cut from a number: none may tell of its neighbours, nor of the same place in the next number.
    flat = dropped.flatten()[:1_000_000] - dropped.mean()
    for step in range(1, 9):
        assert abs((flat[step:] * flat[:-step]).mean()) < 6 * p * (1 - p) / 1e3
    for place in range(4):
        assert abs(dropped.flatten()[place::4].mean() - p) < 12 * (p * (1 - p) / 1e6) ** 0.5 + 1 / STEPS


def test_dropout_follows_the_seed_and_its_gradient_is_the_noise():
    layer, values = nn.Dropout(0.3), torch.randn(7, 13, requires_grad=True)
    results = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        with trained_attention("cpu"):
            results.append(layer(values))
    assert results[0].equal(results[1])
    assert not results[0].equal(results[2])
    (gradient,) = torch.autograd.grad(results[0].sum(), values)
    torch.testing.assert_close(gradient * values, results[0])
    assert gradient.unique().numel() == 2


def test_arguments_may_be_named_as_torch_names_them():
    query, key, value = qkv()
    attend, drop = nn.functional.scaled_dot_product_attention, nn.functional.dropout
    for positional, named in (
        (lambda: drop(query, 0.3, True), lambda: drop(input=query, p=0.3, training=True, inplace=False)),
        (
            lambda: attend(query, key, value, None, 0.3),
            lambda: attend(
                query=query, key=key, value=value, attn_mask=None, dropout_p=0.3, is_causal=False, scale=None
            ),
        ),
    ):
        results = []
        for ask in (positional, named):
            torch.manual_seed(2)
            with trained_attention("cpu"):
                results.append(ask())
        assert results[0].equal(results[1])
        assert results[0].grad_fn is not None


def test_what_it_must_leave_alone(monkeypatch):
    monkeypatch.setattr("multimodal_emotion.encoders._attention.noise", lambda *_: pytest.fail("was replaced"))
    monkeypatch.setattr(
        "multimodal_emotion.encoders._attention.attention", lambda *_, **__: pytest.fail("was replaced")
    )
    values, (query, key, value) = torch.ones(4, 4), qkv()
    attend = nn.functional.scaled_dot_product_attention
    with trained_attention("cpu"):
        assert nn.Dropout(0.5).eval()(values).equal(values)
        for nothing, all_of_it in ((0.0, 1.0), (0, 1)):
            assert nn.functional.dropout(values, nothing).equal(values)
            assert nn.functional.dropout(values, all_of_it).equal(0 * values)
            attend(query, key, value, None, nothing)
        attend(query, key, value)
        attend(query, key, value, is_causal=True, dropout_p=0.1)
        attend(query, key, value, None, 0.1, True)
        attend(*qkv(torch.bfloat16, SHORT + 1))
        with torch.no_grad():
            nn.functional.dropout(values, 0.5)
            attend(query.bfloat16(), key.bfloat16(), value.bfloat16())


def test_bfloat16_is_put_together_and_stays():
    given = qkv(torch.bfloat16)
    expected = nn.functional.scaled_dot_product_attention(*(it.float() for it in given))
    with trained_attention("cpu"):
        result = nn.functional.scaled_dot_product_attention(*given)
    assert "ScaledDot" not in type(result.grad_fn).__name__
    torch.testing.assert_close(result.float(), expected, atol=2e-2, rtol=2e-2)


def test_other_devices_keep_their_own():
    assert not isinstance(trained_attention("cuda"), TrainedAttention)
