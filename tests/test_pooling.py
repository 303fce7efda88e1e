import pytest
import torch

from multimodal_emotion.batch import MaskedSequence, pad
from multimodal_emotion.encoders._pooling import POOLINGS, LayerMix, Standardise, pooling
from multimodal_emotion.errors import InputError
from multimodal_emotion.positions import sinusoids

REDUCING = sorted(set(POOLINGS) - {"none"})


def rows(*lengths: int, dim: int = 6) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, dim, generator=generator) for length in lengths]


@pytest.mark.parametrize("name", sorted(POOLINGS))
def test_padded_row_equals_row_alone(name):
    torch.manual_seed(0)
    module = pooling(name, 6).eval()
    several = rows(5, 1, 9)
    padded = module(pad(several, fill=float("nan") if name in ("mean", "first") else 7.0))
    for number, row in enumerate(several):
        alone = module(pad([row]))
        steps = alone.mask.shape[1]
        assert torch.allclose(padded.values[number, :steps], alone.values[0], atol=1e-5)
        assert padded.mask[number].sum() == alone.mask[0].sum()
    assert padded.values.shape[-1] == module.out_dim


@pytest.mark.parametrize("name", REDUCING)
def test_one_step_and_absent_rows_are_finite_with_gradient(name):
    torch.manual_seed(0)
    module = pooling(name, 6)
    sequence = pad([*rows(4, 1), None])
    values = sequence.values.requires_grad_()
    pooled = module(MaskedSequence(values, sequence.mask))
    assert pooled.mask.tolist() == [[True], [True], [False]]
    pooled.values.sum().backward()
    assert pooled.values.isfinite().all()
    assert values.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


def test_poolings_compute_what_they_say():
    row = rows(7)[0]
    sequence = pad([row], length=10)
    assert torch.equal(pooling("first", 6)(sequence).values[0, 0], row[0])
    assert torch.allclose(pooling("mean", 6)(sequence).values[0, 0], row.mean(0), atol=1e-6)
    stats = pooling("stats", 6)(sequence).values[0, 0]
    assert torch.allclose(stats, torch.cat([row.mean(0), row.std(0, correction=0)]), atol=1e-6)
    assert pooling("none", 6)(sequence) is sequence


def test_transformer_knows_the_order():
    torch.manual_seed(0)
    module = pooling("transformer", 6).eval()
    (row,) = rows(5)
    assert not torch.allclose(module(pad([row])).values, module(pad([row.flip(0)])).values, atol=1e-4)


def test_only_some_poolings_learn():
    assert {name for name in POOLINGS if pooling(name, 4).learned} == {"attention", "transformer"}


def test_unknown_pooling_names_the_nearest():
    with pytest.raises(InputError, match="unknown pooling 'meen'; did you mean 'mean'"):
        pooling("meen", 4)


def test_layer_mix_starts_as_the_mean():
    layers = torch.stack([torch.randn(2, 3, 4) for _ in range(3)])
    mix = LayerMix(3)
    assert torch.allclose(mix(layers), layers.mean(0), atol=1e-6)
    mix.weights.data[1], mix.scale.data = torch.tensor(50.0), torch.tensor(2.0)
    assert torch.allclose(mix(list(layers)), 2 * layers[1], atol=1e-5)


def test_layer_mix_refuses_unequal_widths():
    with pytest.raises(InputError, match="widths 3, 4 cannot be mixed"):
        LayerMix(2)([torch.zeros(1, 1, 3), torch.zeros(1, 1, 4)])


def test_standardise_is_the_identity_until_fitted():
    sequence = pad(rows(3, 2))
    module = Standardise(6)
    assert torch.equal(module(sequence).values, sequence.values)
    assert not module.fitted


def test_standardise_in_parts_equals_at_once():
    first, second, third = (1000 + 3 * row for row in rows(50, 1, 20))
    at_once, in_parts = Standardise(6), Standardise(6)
    at_once.fit(torch.cat([first, second, third]))
    in_parts.fit(iter([pad([first, second], fill=99.0), third, torch.zeros(0, 6)]))
    expected = torch.cat([first, second, third])
    assert torch.allclose(at_once.mean, expected.mean(0))
    assert torch.allclose(at_once.deviation, expected.std(0, correction=0), rtol=1e-3)
    assert torch.allclose(in_parts.deviation, at_once.deviation, rtol=1e-5)
    assert in_parts.fitted
    result = in_parts(pad([first]))
    assert result.values.abs().max() < 6
    restored = Standardise(6)
    restored.load_state_dict(in_parts.state_dict())
    assert torch.equal(restored(pad([first])).values, result.values)


def test_standardise_leaves_constant_features_finite_and_padding_zero():
    module = Standardise(2)
    module.fit(torch.tensor([[5.0, 1.0], [5.0, 3.0]]))
    result = module(pad([torch.tensor([[5.0, 1.0]])], length=2))
    assert result.values.tolist() == [[[0.0, -1.0], [0.0, 0.0]]]


def test_standardise_needs_something():
    with pytest.raises(InputError, match="no features to standardise"):
        Standardise(2).fit([])


def test_sinusoids_differ_for_every_step_and_odd_widths():
    table = sinusoids(50, 7)
    assert table.shape == (50, 7)
    assert len(table.unique(dim=0)) == 50
