import pytest
import torch
from torch import nn

from multimodal_emotion.batch import MaskedSequence, pad
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.fusion.concat import Concat
from multimodal_emotion.fusion.single import Single
from multimodal_emotion.model import EmotionModel, gather_words, hide


class Identity(Encoder):
    """Hands its input on; counts the rows it sees."""

    medium = "text"

    def __init__(self, dim: int, padding_invariant: bool = True) -> None:
        super().__init__()
        self.dim, self.padding_invariant = dim, padding_invariant
        self.backbone = nn.Linear(dim, dim)
        self.seen: list[tuple[int, ...]] = []

    def extract(self, inputs):
        self.seen.append(tuple(inputs.values.shape))
        return MaskedSequence(self.backbone(inputs.values), inputs.mask)

    def blocks(self):
        return [self.backbone]

    def save(self, folder):
        pass


def sequence(*lengths: int, dim: int = 4) -> MaskedSequence:
    generator = torch.Generator().manual_seed(0)
    return pad([torch.randn(n, dim, generator=generator) if n else None for n in lengths])


def two_modalities(**options) -> EmotionModel:
    torch.manual_seed(0)
    encoders = {"text": Identity(4), "audio": Identity(4)}
    return EmotionModel(encoders, Concat({"text": 4, "audio": 4}, 3), 3, **options).eval()


def test_absent_rows_are_zero_and_not_computed():
    encoder = Identity(4)
    output = encoder(sequence(3, 0, 2))
    assert encoder.seen == [(2, 3, 4)]
    assert output.present.tolist() == [True, False, True]
    assert not output.values[1].any()


def test_nothing_present_is_no_computation():
    encoder = Identity(4)
    output = encoder(sequence(0, 0))
    assert encoder.seen == []
    assert output.values.shape == (2, 1, 4)


def test_lengths_are_kept_apart_where_padding_matters():
    encoder = Identity(4, padding_invariant=False)
    inputs = sequence(3, 1, 3)
    output = encoder(inputs)
    assert sorted(encoder.seen) == [(1, 1, 4), (2, 3, 4)]
    assert torch.allclose(output.values[1, :1], encoder.backbone(inputs.values[1, :1]))
    assert output.mask.equal(inputs.mask)


def test_the_order_of_keys_does_not_matter():
    model = two_modalities()
    a, b = sequence(3, 2), sequence(1, 4)
    one = model({"text": a, "audio": b}).logits
    other = model({"audio": b, "text": a}).logits
    assert one.equal(other)


def test_a_missing_key_is_an_absent_modality():
    model = two_modalities()
    a = sequence(3, 2)
    absent = MaskedSequence(torch.zeros(2, 1, 4), torch.zeros(2, 1, dtype=torch.bool))
    assert model({"text": a}).logits.equal(model({"text": a, "audio": absent}).logits)


def test_an_unknown_modality_is_refused():
    with pytest.raises(KeyError, match="no encoder for smell"):
        two_modalities()({"smell": sequence(1)})


def test_auxiliary_heads_give_logits_for_each_modality():
    output = two_modalities(auxiliary=True)({"text": sequence(3, 2), "audio": sequence(1, 0)})
    shapes = {name: tuple(opinion.logits.shape) for name, opinion in output.auxiliary.items()}
    assert shapes == {"audio": (2, 3), "text": (2, 3)}


def test_modality_dropout_never_hides_everything():
    torch.manual_seed(0)
    inputs = {"a": sequence(*[1] * 200), "b": sequence(*[1] * 100, *[0] * 100)}
    hidden = hide(inputs, 0.9)
    kept = torch.stack([item.present for item in hidden.values()])
    assert bool(kept.any(dim=0).all())
    assert kept[0, 100:].all()
    assert not kept[1, 100:].any()
    assert 0 < kept[:, :100].sum() < 150


def test_words_take_the_state_of_their_first_token():
    states = torch.arange(12.0).reshape(1, 4, 3)
    found = gather_words(states, torch.tensor([[2, 1, -1]]))
    assert found[0, 0].tolist() == [6, 7, 8]
    assert found[0, 1].tolist() == [3, 4, 5]


def test_freezing_keeps_a_block_and_its_dropout_still():
    encoder = Identity(4)
    encoder.freeze()
    encoder.train()
    assert not encoder.backbone.training
    assert not encoder(sequence(2)).values.requires_grad
    with pytest.raises(ValueError, match="cannot freeze 5 blocks: Identity has 1"):
        encoder.freeze(5)


def test_one_modality_needs_no_fusion():
    model = EmotionModel({"text": Identity(4)}, Single({"text": 4}, 2), 2)
    assert model({"text": sequence(2, 3)}).logits.shape == (2, 2)
    with pytest.raises(ValueError, match="takes one modality"):
        Single({"a": 1, "b": 1}, 2)
