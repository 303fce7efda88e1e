"""The contract of every fusion, and each one against the formula of its paper."""

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from torch import nn

from multimodal_emotion import registry
from multimodal_emotion.batch import MaskedSequence, pad
from multimodal_emotion.errors import InputError
from multimodal_emotion.fusion._balance import modulate, modulation
from multimodal_emotion.fusion._base import summary
from multimodal_emotion.fusion._transformer import Attention, Block
from multimodal_emotion.fusion.late import Stacker, mean_fusion, product_fusion, weighted_fusion
from multimodal_emotion.fusion.misa import moment_discrepancy, overlap
from multimodal_emotion.fusion.tensor import default_width, outer_product

DIMS = {"audio": 5, "image": 3, "text": 4}
LENGTHS = {"audio": (7, 2, 5), "image": (1, 3, 2), "text": (4, 6, 1)}
SUBSETS = tuple(itertools.product((True, False), repeat=3))
OUTPUTS = 4

VARIANTS = {
    "late": [{"how": how} for how in ("mean", "product", "weighted", "stacking")]
    + [{"how": "product", "space": "independent"}, {"how": "weighted", "space": "value"}],
    "concat": [{}, {"placeholder": "zero"}],
}
CASES = [
    pytest.param(name, settings, id="-".join((name, *settings.values())))
    for name in registry.names("fusion")
    if name != "single"
    for settings in VARIANTS.get(name, [{}])
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """These tensors are tiny: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(name, dims=DIMS, seed=0, **settings):
    torch.manual_seed(seed)
    return registry.build("fusion", name, dims, OUTPUTS, **settings)


def sample(rows=3, dims=DIMS, subsets=None, seed=0):
    """{modality: (rows, time, dim)} of different lengths; `subsets` says which row has which modality."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {}
    for position, (name, dim) in enumerate(dims.items()):
        lengths = [LENGTHS.get(name, (2, 3, 4))[row % 3] for row in range(rows)]
        steps = [torch.randn(length, dim, generator=generator) for length in lengths]
        inputs[name] = pad(
            [row if subsets is None or subsets[number][position] else None for number, row in enumerate(steps)]
        )
        if subsets is not None and not any(subset[position] for subset in subsets):
            inputs[name] = MaskedSequence(torch.zeros(rows, 1, dim), torch.zeros(rows, 1, dtype=torch.bool))
    return inputs


def total(fusion, inputs):
    """A scalar that depends on everything that a fusion computes."""
    penalty = fusion.penalty(inputs)
    values = fusion(inputs).values
    # Random weights: what is normalised must not sum to a constant.
    weights = torch.randn(values.shape, generator=torch.Generator().manual_seed(1))
    return (values * weights).sum() + (0 if penalty is None else penalty)


# ---- the contract ----------------------------------------------------------------------------------------------------


def opinions_of(fusion, inputs):
    """(batch, modality, outputs)."""
    return torch.stack([opinion.logits for opinion in fusion.opinions(inputs).values()], dim=1)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_every_subset_of_modalities_gives_finite_output_and_gradients(name, settings):
    fusion = build(name, **settings).train()
    inputs = sample(len(SUBSETS), subsets=SUBSETS)
    values = {key: sequence.values.requires_grad_() for key, sequence in inputs.items()}
    fused = fusion(inputs)
    assert fused.values.shape == (len(SUBSETS), 1, fusion.dim)
    assert fused.mask.squeeze(1).tolist() == [any(subset) for subset in SUBSETS]
    assert fused.values.isfinite().all()
    total(fusion, inputs).backward()
    for key, parameter in fusion.named_parameters():
        assert parameter.grad is not None, f"{key} gets no gradient"
        assert parameter.grad.isfinite().all(), key
    for value in values.values():
        assert value.grad.isfinite().all()
        assert value.grad.abs().sum() > 0


@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("subset", SUBSETS)
def test_a_batch_of_one_subset_is_finite(name, settings, subset):
    fusion = build(name, **settings).train()
    for rows in (1, 2):
        fusion.zero_grad()
        inputs = sample(rows, subsets=[subset] * rows)
        values = [sequence.values.requires_grad_() for sequence in inputs.values()]
        loss = total(fusion, inputs)
        loss.backward()
        assert loss.isfinite()
        assert all(value.grad is None or value.grad.isfinite().all() for value in values)
        assert all(p.grad.isfinite().all() for p in fusion.parameters() if p.grad is not None)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_rows_do_not_see_each_other_nor_padding_nor_what_is_absent(name, settings):
    fusion = build(name, **settings).eval()
    inputs = sample(len(SUBSETS), subsets=SUBSETS)
    garbage = {
        key: MaskedSequence(sequence.values.masked_fill(~sequence.mask.unsqueeze(-1), math.nan), sequence.mask)
        for key, sequence in inputs.items()
    }
    together = fusion(garbage).values
    for row in range(len(SUBSETS)):
        alone = fusion({key: sequence.rows(torch.tensor([row])) for key, sequence in inputs.items()})
        torch.testing.assert_close(together[row], alone.values[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_every_present_modality_matters_and_an_absent_one_does_not_crash(name, settings):
    fusion = build(name, **settings).eval()
    if "stacker" in dict(fusion.named_children()):
        fusion.stacker.weight.normal_()
        fusion.stacker.fitted.fill_(True)
    inputs = sample(3)
    whole = fusion(inputs).values
    for name_absent in DIMS:
        hidden = {
            key: MaskedSequence(sequence.values, sequence.mask & torch.tensor(key != name_absent))
            for key, sequence in inputs.items()
        }
        assert not torch.allclose(fusion(hidden).values, whole, atol=1e-6), f"{name_absent} is not read"


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_order_of_keys_is_irrelevant(name, settings):
    reverse = dict(reversed(DIMS.items()))
    one, other = build(name, **settings).eval(), build(name, dims=reverse, **settings).eval()
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())
    inputs = sample()
    assert torch.equal(one(inputs).values, other(dict(reversed(inputs.items()))).values)
    first, second = one.penalty(inputs), other.penalty(dict(reversed(inputs.items())))
    assert first is second is None or torch.equal(first, second)


@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("dims", [{"text": 6}, {f"modality_{n}": 2 + n for n in range(5)}, {"wide": 4000, "thin": 1}])
def test_any_number_of_modalities_of_any_width(name, settings, dims):
    fusion = build(name, dims=dims, **settings)
    inputs = sample(2, dims=dims)
    fused = fusion(inputs)
    assert fused.values.shape == (2, 1, fusion.dim)
    assert total(fusion, inputs).isfinite()
    assert sum(parameter.numel() for parameter in fusion.parameters()) < 20_000_000


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_half_precision_is_finite(name, settings):
    fusion = build(name, **settings)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fusion(sample(len(SUBSETS), subsets=SUBSETS)).values.isfinite().all()


def test_single_hands_on_what_it_gets():
    fusion = build("single", dims={"text": 4})
    sequence = sample()["text"]
    assert fusion({"text": sequence}) is sequence
    with pytest.raises(ValueError, match="takes one modality, not audio, image, text"):
        build("single")


def test_a_file_that_is_dropped_in_is_a_fusion(tmp_path, monkeypatch):
    import multimodal_emotion.fusion

    (tmp_path / "mine.py").write_text(
        "from multimodal_emotion.fusion._base import Fusion, one_step, summary\n\n\n"
        "class Mine(Fusion):\n"
        "    def __init__(self, dims, outputs, factor=1.0):\n"
        "        super().__init__(dims, outputs)\n"
        "        self.dim, self.factor = min(self.dims.values()), factor\n\n"
        "    def forward(self, inputs):\n"
        "        rows = (summary(inputs[name])[:, : self.dim] for name in self.dims)\n"
        "        return one_step(self.factor * sum(rows), inputs)\n"
    )
    monkeypatch.setattr(multimodal_emotion.fusion, "__path__", [*multimodal_emotion.fusion.__path__, str(tmp_path)])
    try:
        assert "mine" in registry.names("fusion")
        assert build("mine", factor=2.0)(sample()).values.shape == (3, 1, 3)
        with pytest.raises(InputError, match="unknown setting 'factr' in fusion/mine; did you mean 'factor'"):
            build("mine", factr=2.0)
    finally:
        sys.modules.pop("multimodal_emotion.fusion.mine", None)


@pytest.mark.parametrize("name", ["attention", "bottleneck", "cross_attention", "misa"])
def test_heads_must_divide_the_width(name):
    with pytest.raises(InputError, match="width 10 cannot be split among 4 heads; take a multiple of 4"):
        build(name, width=10, heads=4)


# ---- each fusion against its formula ---------------------------------------------------------------------------------


def vectors_of(inputs):
    """The means over real steps, by hand."""
    return {
        key: torch.stack([row[mask].mean(dim=0) for row, mask in zip(s.values, s.mask, strict=True)])
        for key, s in inputs.items()
    }


def test_concat_is_the_vectors_side_by_side():
    inputs = sample()
    vectors = vectors_of(inputs)
    expected = torch.cat([vectors["audio"], vectors["image"], vectors["text"]], dim=1)
    torch.testing.assert_close(build("concat").eval()(inputs).values[:, 0], expected)


def test_concat_puts_its_placeholder_where_a_modality_is_absent():
    fusion = build("concat").eval()
    fusion.placeholders["image"].data.fill_(7.0)
    fused = fusion(sample(2, subsets=[(True, False, True), (True, True, True)])).values[:, 0]
    assert fused[0, 5:8].tolist() == [7.0] * 3
    assert 7.0 not in fused[1]
    with pytest.raises(InputError, match="unknown placeholder 'zeros' in fusion/concat; did you mean 'zero'"):
        build("concat", placeholder="zeros")


def test_gated_is_the_bimodal_unit_of_the_paper():
    dims = {"text": 4, "image": 3}
    fusion = build("gated", dims=dims, width=6).eval()
    inputs = sample(dims=dims)
    v = vectors_of(inputs)
    image, text = (torch.tanh(fusion.branches.layers[name][0](v[name])) for name in ("image", "text"))
    # z = sigmoid(W_z [x_v, x_t]); the softmax over two gates is the sigmoid of the difference of their weights.
    weight = fusion.gate.weight[:6] - fusion.gate.weight[6:]
    bias = fusion.gate.bias[:6] - fusion.gate.bias[6:]
    z = torch.sigmoid(torch.cat([v["image"], v["text"]], dim=1) @ weight.T + bias)
    torch.testing.assert_close(fusion(inputs).values[:, 0], z * image + (1 - z) * text)


def test_gates_of_those_present_sum_to_one():
    sums = build("gated").eval().gates(sample(len(SUBSETS), subsets=SUBSETS)).sum(dim=1)
    expected = torch.tensor([float(any(subset)) for subset in SUBSETS])
    torch.testing.assert_close(sums, expected.unsqueeze(1).expand_as(sums))


def test_tensor_product_is_the_outer_product_with_one_appended():
    vectors = torch.randn(2, 3, 2)
    expected = []
    for row in vectors.numpy():
        audio, image, text = (np.append(vector, 1) for vector in row)
        expected.append(np.multiply.outer(np.multiply.outer(audio, image), text).ravel())
    torch.testing.assert_close(outer_product(vectors), torch.tensor(np.array(expected)).float())


def test_tensor_of_one_present_modality_holds_that_modality_and_one():
    vectors = torch.zeros(1, 3, 2)
    vectors[0, 1] = torch.tensor([3.0, 5.0])
    product = outer_product(vectors)
    assert sorted(product[product != 0].tolist()) == [1.0, 3.0, 5.0]


def test_tensor_keeps_its_size():
    assert [default_width(count) for count in (1, 2, 3, 4, 5)] == [32, 32, 32, 12, 7]
    with pytest.raises(
        InputError, match=r"width 128 of 3 modalities gives a product of 2,146,689 components.*low_rank"
    ):
        build("tensor", width=128)


def test_low_rank_equals_a_linear_layer_on_the_full_tensor():
    fusion = build("low_rank", width=3, rank=2, dim=5).double()
    fusion.rank_weights.data.normal_()
    vectors = torch.randn(4, 3, 3, dtype=torch.float64)
    expected = nn.functional.linear(outer_product(vectors), fusion.full_weight(), fusion.bias)
    assert fusion.full_weight().shape == (5, 4**3)
    torch.testing.assert_close(fusion.fuse(vectors), expected)


def test_low_rank_lets_others_pass_where_one_is_absent():
    fusion = build("low_rank", width=3, dim=5)
    text_only = torch.zeros(1, 3, 3)
    text_only[0, 2] = torch.randn(3)
    # At the start all constants are 1, and what is left is linear in the only modality.
    linear = torch.einsum("i,rio,r->o", text_only[0, 2], fusion.factors[2, :, :-1], fusion.rank_weights)
    torch.testing.assert_close(fusion.fuse(text_only)[0], linear)


def test_attention_equals_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = Attention(8, 2, 0.0).eval(), nn.MultiheadAttention(8, 2, batch_first=True).eval()
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([part.weight for part in parts]).detach()
    theirs.in_proj_bias.data = torch.cat([part.bias for part in parts]).detach()
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    queries, memory = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    expected, _ = theirs(queries, memory, memory, key_padding_mask=~mask, need_weights=False)
    torch.testing.assert_close(ours(queries, memory, mask), expected)
    assert (ours(queries, memory, torch.zeros_like(mask)) == 0).all()


def test_cross_modal_layer_is_that_of_the_paper():
    torch.manual_seed(0)
    block = Block(8, 1, 0.0).eval()
    target, source = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    norm, attention = block.attention_norm, block.attention
    # CM(LN(Z_target), LN(Z_source)) = softmax(Q K' / sqrt(d)) V, then the feed-forward network, each with its residual.
    q, k, v = attention.query(norm(target)), attention.key(norm(source)), attention.value(norm(source))
    z = target + attention.out((q @ k.transpose(1, 2) / math.sqrt(8)).softmax(dim=-1) @ v)
    z = z + block.network(block.network_norm(z))
    torch.testing.assert_close(block(target, torch.ones(1, 5, dtype=torch.bool), source), z)


def test_cross_attention_joins_each_target_with_all_sources():
    fusion = build("cross_attention", width=8)
    assert fusion.dim == 3 * 2 * 8
    assert fusion.sources == {"audio": ("image", "text"), "image": ("audio", "text"), "text": ("audio", "image")}


@pytest.mark.parametrize("name", ["cross_attention", "bottleneck"])
def test_fusions_of_steps_know_their_order(name):
    fusion = build(name).eval()
    inputs = sample(1)
    turned = {**inputs, "audio": MaskedSequence(inputs["audio"].values.flip(1), inputs["audio"].mask)}
    assert not torch.allclose(fusion(inputs).values, fusion(turned).values, atol=1e-5)


def test_bottleneck_is_the_only_way_between_modalities():
    def read(fusion, inputs):
        return fusion(inputs).values

    inputs = sample(1)
    changed = {**inputs, "audio": MaskedSequence(inputs["audio"].values + 1, inputs["audio"].mask)}
    for bottlenecks, reaches in ((0, False), (2, True)):
        fusion = build("bottleneck", bottlenecks=bottlenecks).eval()
        seen = []
        fusion.norms["text"].register_forward_hook(lambda *call, kept=seen: kept.append(call[-1]))
        read(fusion, inputs)
        read(fusion, changed)
        assert torch.allclose(seen[0], seen[1], atol=1e-7) is not reaches


def test_bottleneck_of_one_layer_by_hand():
    fusion = build("bottleneck", width=8, layers=1, bottlenecks=2).eval()
    inputs = sample(1)
    steps = fusion.steps(inputs)
    classes = []
    for name in DIMS:
        states = torch.cat([fusion.tokens[name][None], steps[name].values, fusion.bottleneck[None]], dim=1)
        states = fusion.layers[0][name](states, torch.ones(states.shape[:2], dtype=torch.bool))
        classes.append(fusion.norms[name](states[:, 0]))
    torch.testing.assert_close(fusion(inputs).values[:, 0], torch.stack(classes).mean(dim=0))


def test_moment_discrepancy_is_that_of_the_paper():
    generator = np.random.default_rng(0)
    x, y = generator.random((20, 3)), generator.random((30, 3)) ** 2
    expected = np.linalg.norm(x.mean(0) - y.mean(0))
    for k in range(2, 6):
        expected += np.linalg.norm(((x - x.mean(0)) ** k).mean(0) - ((y - y.mean(0)) ** k).mean(0))
    assert float(moment_discrepancy(torch.tensor(x), torch.tensor(y))) == pytest.approx(expected)
    assert float(moment_discrepancy(torch.tensor(x), torch.tensor(x))) == 0
    assert float(moment_discrepancy(torch.tensor(x), torch.zeros(0, 3, dtype=torch.float64))) == 0


def test_overlap_is_the_mean_square_of_the_products():
    generator = np.random.default_rng(0)
    x, y = generator.random((6, 3)), generator.random((6, 3))
    a, b = (side - side.mean(0) for side in (x, y))
    a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b))
    expected = np.linalg.norm(a.T @ b) ** 2 / 9
    assert float(overlap(torch.tensor(x), torch.tensor(y))) == pytest.approx(expected)


def test_misa_penalty_is_the_weighted_sum_of_its_losses():
    inputs = sample()
    vectors, shared, private = build("misa").spaces(inputs)
    losses = {}
    for kind in ("similarity", "difference", "reconstruction"):
        weights = {**dict.fromkeys(("similarity", "difference", "reconstruction"), 0), kind: 1}
        losses[kind] = build("misa", **weights).penalty(inputs)
    pairs = ((0, 1), (0, 2), (1, 2))
    torch.testing.assert_close(
        losses["similarity"], sum(moment_discrepancy(shared[:, a], shared[:, b]) for a, b in pairs) / 3
    )
    torch.testing.assert_close(
        losses["difference"],
        sum(overlap(shared[:, a], private[:, a]) for a in range(3))
        + sum(overlap(private[:, a], private[:, b]) for a, b in pairs),
    )
    rebuilt = [layer((shared + private)[:, a]) for a, layer in enumerate(build("misa").rebuild.values())]
    torch.testing.assert_close(losses["reconstruction"], (torch.stack(rebuilt, dim=1) - vectors).square().mean())
    torch.testing.assert_close(
        build("misa").penalty(inputs),
        losses["similarity"] + 0.3 * losses["difference"] + losses["reconstruction"],
    )


def test_misa_learns_from_its_penalty():
    fusion = build("misa", width=8)
    inputs = sample(32)
    optimiser = torch.optim.Adam(fusion.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        losses.append(fusion.penalty(inputs))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.6 * losses[0]


def test_attention_reads_tokens_whatever_their_number():
    fusion = build("attention", width=8, heads=2, layers=1).eval()
    inputs = sample()
    vectors = vectors_of(inputs)
    tokens = [fusion.branches.layers[name][0](vectors[name]) + fusion.modality[n] for n, name in enumerate(DIMS)]
    states = torch.stack([fusion.token.expand(3, -1), *tokens], dim=1)
    states = fusion.blocks[0](states, torch.ones(3, 4, dtype=torch.bool))
    torch.testing.assert_close(fusion(inputs).values[:, 0], fusion.norm(states[:, 0]))


# ---- late fusion -----------------------------------------------------------------------------------------------------

EVERYWHERE = torch.tensor([[True, True]])


def test_mean_and_product_by_hand():
    p = torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]])
    torch.testing.assert_close(mean_fusion(p, EVERYWHERE), torch.tensor([[0.4, 0.4, 0.2]]))
    torch.testing.assert_close(product_fusion(p, EVERYWHERE), torch.tensor([[0.12, 0.15, 0.03]]) / 0.3)
    weights = torch.tensor([3.0, 1.0])
    torch.testing.assert_close(weighted_fusion(p, EVERYWHERE, weights), torch.tensor([[0.5, 0.35, 0.15]]))


def test_absent_modalities_do_not_count():
    p = torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]]).repeat(3, 1, 1)
    p[2] = math.nan  # nothing may depend on what an absent model says
    present = torch.tensor([[True, False], [False, True], [False, False]])
    for fuse in (mean_fusion, product_fusion):
        fused = fuse(p, present)
        torch.testing.assert_close(fused, torch.stack([p[0, 0], p[1, 1], torch.full((3,), 1 / 3)]))


def test_a_certain_model_cannot_make_everything_impossible():
    p = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    torch.testing.assert_close(product_fusion(p, EVERYWHERE), torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(mean_fusion(p, EVERYWHERE), torch.tensor([[0.5, 0.5]]))


@pytest.mark.parametrize(("how", "function"), [("mean", mean_fusion), ("product", product_fusion)])
def test_softmax_of_late_is_the_fused_distribution(how, function):
    fusion = build("late", how=how).eval()
    inputs = sample(len(SUBSETS), subsets=SUBSETS)
    present = torch.tensor(SUBSETS)
    expected = function(opinions_of(fusion, inputs).softmax(dim=-1), present)
    torch.testing.assert_close(fusion(inputs).values[:, 0].softmax(dim=-1), expected)


def test_sigmoid_of_late_is_the_fused_probability_of_each_label():
    inputs = sample(len(SUBSETS), subsets=SUBSETS)
    fusion = build("late", space="independent").eval()
    counts = torch.tensor(SUBSETS).sum(dim=1, keepdim=True)
    own = opinions_of(fusion, inputs).sigmoid() * torch.tensor(SUBSETS).unsqueeze(-1)
    expected = torch.where(counts > 0, own.sum(dim=1) / counts.clamp(min=1), 0.5)
    torch.testing.assert_close(fusion(inputs).values[:, 0].sigmoid(), expected)


def test_late_averages_the_values_of_a_regression():
    fusion = build("late", space="value").eval()
    inputs = sample(2, subsets=[(True, True, True), (False, True, False)])
    opinions = opinions_of(fusion, inputs)
    fused = fusion(inputs).values[:, 0]
    torch.testing.assert_close(fused, torch.stack([opinions[0].mean(dim=0), opinions[1, 1]]))


def test_modalities_that_decide_together_have_one_opinion():
    fusion = build("late", how="product", together=[["image", "audio"]]).eval()
    inputs = sample(len(SUBSETS), subsets=SUBSETS)
    opinions = fusion.opinions(inputs)
    assert list(opinions) == ["audio+image", "text"]
    assert opinions["audio+image"].present.tolist() == [audio or image for audio, image, _ in SUBSETS]
    side_by_side = torch.cat([summary(inputs["audio"]), summary(inputs["image"])], dim=1)
    torch.testing.assert_close(opinions["audio+image"].logits, fusion.heads["audio+image"](side_by_side))


def test_weighted_begins_as_the_mean_and_learns():
    fusion, mean = build("late", how="weighted").eval(), build("late", how="mean").eval()
    inputs = sample()
    torch.testing.assert_close(fusion(inputs).values, mean(inputs).values)
    fusion.weights.data = torch.tensor([0.0, 50.0, 0.0])
    torch.testing.assert_close(fusion(inputs).values[:, 0], opinions_of(fusion, inputs)[:, 1].log_softmax(dim=-1))


def test_gradient_survives_a_model_that_is_certainly_wrong():
    fusion = build("late", dims={"audio": 1, "text": 1})
    for head in fusion.heads.values():
        head[1].weight.data.fill_(0)
        head[1].bias.data = torch.tensor([500.0, 0.0, 0.0, 0.0])
    sequence = MaskedSequence(torch.ones(1, 1, 1), torch.ones(1, 1, dtype=torch.bool))
    loss = nn.functional.cross_entropy(fusion({"audio": sequence, "text": sequence}).values[0], torch.tensor([2]))
    loss.backward()
    assert fusion.heads["text"][1].bias.grad[2] < -0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"how": "median"}, r"unknown way of fusing \(how\) 'median' in fusion/late"),
        ({"space": "probabilities"}, "unknown space 'probabilities' in fusion/late; did you mean 'probability'"),
        ({"together": [["audio", "imag"]]}, "unknown modality 'imag' in fusion/late: together; did you mean 'image'"),
        ({"together": [["audio", "text"], ["text"]]}, "together names 'text' twice"),
        ({"how": "product", "space": "value"}, "'product' in fusion/late for space 'value'; known: mean, weighted"),
    ],
)
def test_late_names_what_it_does_not_know(settings, message):
    with pytest.raises(InputError, match=message):
        build("late", **settings)


def posteriors(rows=400, seed=0):
    """Probabilities of three models of different quality, and the true labels."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(OUTPUTS, (rows,), generator=generator)
    skill = torch.tensor([3.0, 1.0, 0.0]).view(1, 3, 1)
    logits = torch.randn(rows, 3, OUTPUTS, generator=generator)
    logits = logits + skill * nn.functional.one_hot(target, OUTPUTS).unsqueeze(1)
    return logits.softmax(dim=-1), target


def test_stacker_is_the_logistic_regression_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    probabilities, target = posteriors()
    present = torch.ones(len(target), 3, dtype=torch.bool)
    features = probabilities.flatten(1).double().numpy()  # on float32 scikit-learn would stop sooner
    for strength in (0.1, 1, 10.0):
        ours = Stacker(3, OUTPUTS).fit(probabilities, present, target, strength)
        theirs = LogisticRegression(C=strength, max_iter=2000, tol=1e-8).fit(features, target)
        expected = torch.tensor(theirs.predict_proba(features)).float()
        torch.testing.assert_close(ours(probabilities, present).softmax(dim=-1), expected, atol=1e-5, rtol=0)


def test_stacker_counts_an_absent_model_as_undecided():
    probabilities, target = posteriors()
    stacker = Stacker(3, OUTPUTS).fit(probabilities, torch.rand(len(target), 3) < 0.7, target)
    present = torch.tensor([[False, True, True]])
    undecided = probabilities[:1].clone()
    undecided[0, 0] = 1 / OUTPUTS
    torch.testing.assert_close(stacker(probabilities[:1], present), stacker(undecided, torch.ones_like(present)))


def test_stacker_refuses_what_cannot_be_fitted():
    probabilities, target = posteriors(4)
    present = torch.ones(4, 3, dtype=torch.bool)
    with pytest.raises(InputError, match="no out-of-fold predictions"):
        Stacker(3, OUTPUTS).fit(probabilities[:0], present[:0], target[:0])
    with pytest.raises(InputError, match="must be more than 0, not -1"):
        Stacker(3, OUTPUTS).fit(probabilities, present, target, strength=-1)


def test_stacking_is_the_mean_until_it_is_fitted():
    fusion, mean = build("late", how="stacking").eval(), build("late", how="mean").eval()
    inputs = sample()
    torch.testing.assert_close(fusion(inputs).values, mean(inputs).values)
    probabilities, target = posteriors()
    fusion.stacker.fit(probabilities, torch.ones(len(target), 3, dtype=torch.bool), target)
    expected = fusion.stacker(opinions_of(fusion, inputs).softmax(dim=-1), torch.ones(3, 3, dtype=torch.bool))
    torch.testing.assert_close(fusion(inputs).values[:, 0].softmax(dim=-1), expected.softmax(dim=-1))
    again = build("late", how="stacking", seed=1).eval()
    again.load_state_dict(fusion.state_dict())
    assert torch.equal(again(inputs).values, fusion(inputs).values)


# ---- late fusion of published posteriors -----------------------------------------------------------------------------

PUBLISHED = {
    # As measured on all 24 actors, and on the 20 of which the development corpora have posteriors.
    24: {"mean 01": 0.8303, "mean 02": 0.8362, "mean 012": 0.7727, "product 01": 0.8690, "product 012": 0.8572},
    20: {"mean 01": 0.8269, "mean 02": 0.8363, "mean 012": 0.7664, "product 01": 0.8654, "product 012": 0.8546},
}


@pytest.fixture(scope="module")
def ravdess(corpora_root):
    """Posteriors (clip, model, label) by "test" and "train", with label and fold of each clip, and the actor count."""
    pandas = pytest.importorskip("pandas")
    parts, actors = {}, 0
    for part in ("test", "train"):
        table = pandas.read_csv(corpora_root / "ravdess_lj" / f"posteriors_{part}.csv.gz").sort_values(["fold", "id"])
        columns = [name for name in table.columns if name.startswith("p_")]
        labels = {name.removeprefix("p_"): number for number, name in enumerate(columns)}
        models = [table[table.model == name] for name in ("wav2vec2_finetuned", "au_bilstm", "au_mlp80")]
        parts[part] = (
            torch.tensor(np.stack([model[columns].to_numpy() for model in models], axis=1)),
            torch.tensor(models[0].label.map(labels).to_numpy()),
            models[0].fold.to_numpy(),
        )
        actors = max(actors, table.actor.nunique())
    return parts, actors


def fold_accuracy(scores, target, folds):
    hits = (scores.argmax(dim=-1) == target).numpy()
    return float(np.mean([hits[folds == fold].mean() for fold in np.unique(folds)]))


@pytest.mark.corpora
def test_late_reproduces_the_arithmetic_on_published_posteriors(ravdess):
    parts, actors = ravdess
    probabilities, target, folds = parts["test"]
    for case, expected in PUBLISHED[actors].items():
        how, models = case.split()
        chosen = probabilities[:, [int(model) for model in models]]
        present = torch.ones(chosen.shape[:2], dtype=torch.bool)
        fused = {"mean": mean_fusion, "product": product_fusion}[how](chosen, present)
        plain = chosen.numpy()
        if how == "mean":
            arithmetic = plain.mean(axis=1)
        else:
            arithmetic = np.maximum(plain, np.finfo(float).tiny).prod(axis=1)
            arithmetic /= arithmetic.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(fused.numpy(), arithmetic / arithmetic.sum(axis=1, keepdims=True), atol=2e-6)
        assert fold_accuracy(fused, target, folds) == pytest.approx(expected, abs=1e-4), case


@pytest.mark.corpora
def test_stacking_on_out_of_fold_posteriors_and_the_trap_of_those_of_training(ravdess):
    parts, _ = ravdess
    probabilities, target, folds = parts["test"]
    seen, seen_target, seen_folds = parts["train"]
    honest, trapped = torch.zeros(len(target), 8), torch.zeros(len(target), 8)
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        for scores, (p, y) in (
            (honest, (probabilities[outside], target[outside])),
            (trapped, (seen[seen_folds == fold], seen_target[seen_folds == fold])),
        ):
            stacker = Stacker(3, 8).fit(p, torch.ones(p.shape[:2], dtype=torch.bool), y)
            test = probabilities[inside]
            scores[inside] = stacker(test.float(), torch.ones(test.shape[:2], dtype=torch.bool))
    assert fold_accuracy(honest, target, folds) == pytest.approx(0.846, abs=0.005)
    assert fold_accuracy(trapped, target, folds) < fold_accuracy(honest, target, folds) - 0.005


# ---- balancing -------------------------------------------------------------------------------------------------------


def test_modulation_is_that_of_the_paper():
    factors = modulation({"audio": 0.8, "image": 0.4}, alpha=0.3)
    assert factors == {"audio": pytest.approx(1 - math.tanh(0.3 * 2)), "image": 1.0}
    three = modulation({"audio": 0.6, "image": 0.3, "text": 0.1}, alpha=1)
    assert three["audio"] == pytest.approx(1 - math.tanh(3))
    assert three["image"] == three["text"] == 1.0


def test_modulation_has_limits():
    assert modulation({"audio": 0.8, "image": 0.4}, alpha=0) == {"audio": 1.0, "image": 1.0}
    assert modulation({"audio": 0.5, "image": 0.0}) == {"audio": 0.0, "image": 1.0}
    assert modulation({"audio": 0.0, "image": 0.0}) == {"audio": 1.0, "image": 1.0}
    assert modulation({"audio": 0.5}) == {"audio": 1.0}


def test_modulate_scales_gradients_and_adds_noise_of_their_size():
    torch.manual_seed(0)
    parameter, unused = nn.Parameter(torch.zeros(20_000)), nn.Parameter(torch.zeros(1))
    gradient = 3 * torch.randn(20_000)
    parameter.grad = gradient.clone()
    modulate([parameter, unused], 0.25, enhance=False)
    torch.testing.assert_close(parameter.grad, 0.25 * gradient)
    assert unused.grad is None
    parameter.grad = gradient.clone()
    modulate([parameter], 0.25)
    noise = parameter.grad - 0.25 * gradient
    assert float(noise.std()) == pytest.approx(3, rel=0.05)
    parameter.grad = gradient.clone()
    modulate([parameter], 1)
    assert torch.equal(parameter.grad, gradient)
