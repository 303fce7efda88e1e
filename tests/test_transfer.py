"""Starting from a former run, keeping what it knew, and learning from a teacher."""

import csv
import json

import pytest
import torch
from tiny import WORDS, sentences, tiny_bert
from torch.nn import functional

from multimodal_emotion import api, checkpoint, cli, registry, runs, splits
from multimodal_emotion import config as configuration
from multimodal_emotion.batch import Batch, pad
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.methods._base import Step
from multimodal_emotion.methods.distillation import Distillation, ask, projection
from multimodal_emotion.methods.ewc import Ewc, fisher, penalty
from multimodal_emotion.methods.replay import Replay

FIXED = ("epochs=3", "learning_rate=1e-2", "head_learning_rate=1e-2", "precision=32", "logger=none")


def configured(bert, corpus, *settings) -> Config:
    base = Config(corpus=corpus)
    base.model.encoders = {"text": {"type": "bert", "checkpoint": str(bert), "pooling": "mean"}}
    return configuration.with_settings(base, [*(f"training.{it}" for it in FIXED), *settings])


@pytest.fixture(scope="module")
def former(tiny_bert_folder, sst2_folder, tmp_path_factory):
    """A finished run that knows the sentences."""
    config = configured(tiny_bert_folder, CorpusConfig(name="sst2", root=str(sst2_folder)))
    return runs.train(config, tmp_path_factory.mktemp("former") / "run", progress=False)


@pytest.fixture(scope="module")
def contrary(tmp_path_factory):
    """A corpus whose training sentences are all labelled negative, but for one that says nothing."""
    path = tmp_path_factory.mktemp("contrary") / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "split"])
        writer.writerow(["p", "the plot", "positive", "train"])
        for number, (text, _) in enumerate(sentences(200, 5)):
            writer.writerow([number, text, "negative", "train"])
        for number, (text, label) in enumerate(sentences(32, 6)):
            writer.writerow([f"v{number}", text, label, "validation"])
    return CorpusConfig(name="manifest", root=str(path))


@pytest.fixture
def step(former) -> Step:
    trained = checkpoint.load(former.folder)
    batch = Batch({"text": pad([torch.tensor([2, 70, 71, 3]), torch.tensor([2, 80, 3])])}, torch.eye(2), ["a", "b"])
    return Step(
        trained.model,
        trained.task,
        batch,
        7,
        lambda given: trained.model(given.inputs),
        lambda output, wanted, given: trained.task.loss(output.logits, wanted).mean(),
    )


# ------------------------------------------------------------------------------------------------- where it starts


def test_train_from_a_run_builds_its_model_starts_from_its_weights_and_reads_as_much_context(
    former, sst2_folder, tmp_path
):
    assembled = api.assemble(Config(), corpus="sst2", root=str(sst2_folder), initial=former.folder)
    assert assembled.model.initial == str(former.folder)
    data = splits.read_splits(assembled)
    started = runs.assemble(assembled, runs.task_for(assembled, data.corpus), data.train)
    states = started.model.state_dict(), former.trained.model.state_dict()
    assert all(states[0][name].equal(states[1][name]) for name in states[1])
    command = ["train", "--corpus", "sst2", "--root", str(sst2_folder), "--from", str(former.folder), "--limit", "16"]
    quick = ["--epochs", "1", "--set", "training.logger=none", "--output", str(tmp_path / "run"), "--quiet"]
    assert cli.main([*command, *quick]) == 0
    assert configuration.read(tmp_path / "run" / "config.yaml").model.initial == str(former.folder)


def test_train_from_nothing_or_for_what_a_model_cannot_read_is_refused(former, tmp_path, sst2_folder):
    with pytest.raises(InputError, match="no model there"):
        api.assemble(Config(), corpus="sst2", root=str(sst2_folder), initial=tmp_path)
    with pytest.raises(InputError, match="reads text, of which the corpus has nothing"):
        api.assemble(Config(), corpus="ferplus", root=str(tmp_path), initial=former.folder)


# -------------------------------------------------------------------------------------------------- what was known


def test_the_penalty_of_ewc_is_the_quadratic_form():
    torch.manual_seed(0)
    terms = [(torch.randn(3, 2), torch.randn(3, 2), torch.rand(3, 2)), (torch.randn(4), torch.randn(4), torch.rand(4))]
    vector, anchor, diagonal = (torch.cat([term[n].flatten() for term in terms]) for n in range(3))
    expected = 0.5 * (vector - anchor) @ torch.diag(diagonal) @ (vector - anchor)
    torch.testing.assert_close(penalty(terms), expected)


def test_importance_is_the_mean_square_of_each_rows_gradient(former):
    rows = splits.splits_of_run(former.folder).train[:3]
    found = fisher(former.trained, rows)
    model, task = former.trained.model, former.trained.task
    weight = model.head[-1].weight
    squares = []
    for row in rows:
        tokens = torch.from_numpy(
            former.trained.preparations["text"].many([former.trained.preparations["text"].read(row)])[0]
        )
        loss = task.loss(model({"text": pad([tokens])}).logits, task.collate([task.target(row)]))
        squares.append(torch.autograd.grad(loss.sum(), weight)[0].square())
    torch.testing.assert_close(found["head.1.weight"], torch.stack(squares).mean(0))
    assert set(found) == {name for name, _ in model.named_parameters()}
    assert all((each >= 0).all() for each in found.values())


def test_ewc_is_zero_at_the_start_and_grows_with_what_mattered(former, step):
    method = Ewc(run=str(former.folder), strength=10.0, count=16)
    method.prepare(step.model, step.task, [])
    assert method.extra(step) == 0
    weight = step.model.head[-1].weight
    with torch.no_grad():
        weight += 0.5
    (importance,) = [each for parameter, _, each in method.terms if parameter is weight]
    torch.testing.assert_close(method.extra(step), 10 * 0.5 * 0.25 * importance.sum())
    assert importance.sum() > 0


def test_ewc_leaves_the_head_alone_where_the_labels_are_others(former):
    trained = checkpoint.load(former.folder)
    trained.task = registry.build("tasks", "multiclass", labels=("one", "two"))
    method = Ewc(run=str(former.folder), count=4)
    method.prepare(trained.model, trained.task, [])
    head = {id(parameter) for parameter in trained.model.head.parameters()}
    assert method.terms
    assert not head & {id(parameter) for parameter, _, _ in method.terms}


def test_replay_adds_its_share_of_former_rows_under_names_of_their_own(former):
    new = splits.splits_of_run(former.folder).train[:50]
    rows = Replay(run=str(former.folder), share=0.3).rows(new, 0)
    assert len({row.id for row in rows}) == 65
    assert rows[:50] == new
    assert all(row.id.startswith("former/") and row.label in WORDS for row in rows[50:])
    assert (
        rows
        == Replay(run=str(former.folder), share=0.3).rows(new, 0)
        != Replay(run=str(former.folder), share=0.3).rows(new, 1)
    )


def test_forgetting_is_measured_replay_forgets_less_and_ewc_stays_nearer(former, contrary, tiny_bert_folder, tmp_path):
    def after(name, methods):
        config = configured(tiny_bert_folder, contrary, "training.forgetting=true", "training.keep=last")
        config.model.initial = str(former.folder)
        config = configuration.with_settings(config, [f"training.methods={json.dumps(methods)}"])
        run = runs.train(config, tmp_path / name, progress=False)
        before = run.report["forgetting"]["before"]
        assert before["accuracy"] == pytest.approx(former.report["splits"]["validation"]["accuracy"])
        assert before["corpus"] == "sst2"
        weights = Ewc(run=str(former.folder))
        weights.prepare(run.trained.model, run.trained.task, [])
        return run.report["forgetting"]["after"]["accuracy"], penalty(weights.terms).item()

    plain, replay, ewc = (
        after(str(n), it) for n, it in enumerate(({}, {"replay": {"share": 1.0}}, {"ewc": {"strength": 1e4}}))
    )
    assert plain[0] < former.report["splits"]["validation"]["accuracy"] - 0.2
    assert replay[0] > plain[0]
    assert ewc[1] < plain[1] / 2


def test_what_needs_a_former_run_says_so(former, contrary, tiny_bert_folder, tmp_path):
    config = configured(tiny_bert_folder, contrary)
    for change, message in [
        ({"methods": {"ewc": {}}}, "training.methods.ewc needs the former run"),
        ({"methods": {"replay": {}}}, "training.methods.replay needs the former run"),
        ({"forgetting": True}, "training.forgetting needs the run that training starts from"),
    ]:
        wrong = configuration.from_dict(config.to_dict() | {"training": {**config.to_dict()["training"], **change}})
        with pytest.raises(InputError, match=message):
            runs.train(wrong, tmp_path / "run", progress=False)
        assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="a model alone does not say what it was trained on"):
        Replay(run=str(former.folder / "model")).check_rows(former.trained.task, [])


# ---------------------------------------------------------------------------------------------------------- teacher


def test_distillation_is_the_formula(step, former):
    method = Distillation(teacher=str(former.folder), temperature=3.0, alpha=0.25)
    method.said = {"a": torch.tensor([2.0, -1.0]), "b": torch.tensor([0.5, 1.5])}
    logits = step.again().logits
    teacher = torch.stack(list(method.said.values()))
    soft = functional.kl_div((logits / 3).log_softmax(-1), (teacher / 3).softmax(-1), reduction="batchmean")
    expected = 0.75 * functional.cross_entropy(logits, step.target) + 0.25 * 9 * soft
    torch.testing.assert_close(method.extra(step), expected)
    method.said = {"a": logits[0].detach(), "b": logits[1].detach()}
    method.alpha = 1.0
    assert method.extra(step).abs() < 1e-5
    method.said = {}
    assert method.extra(step) == 0


def test_distillation_of_vectors_is_their_distance_after_a_projection_that_learns(step, former):
    method = Distillation(teacher=str(former.folder), alpha=0.0, hidden=2.0)
    method.said = {"a": torch.zeros(2), "b": torch.zeros(2)}
    method.vectors = {"a": torch.randn(5), "b": torch.randn(5)}
    method.module = projection(step.model.fusion.dim, 5)
    fused = step.model.fusion(step.model.encode(step.batch.inputs)).values[:, 0]
    distance = (method.module(fused) - torch.stack(list(method.vectors.values()))).square().mean()
    loss = method.extra(step)
    torch.testing.assert_close(loss, step.loss + 2 * distance)
    loss.backward()
    assert method.module.weight.grad.any()


def test_a_teacher_is_asked_in_the_order_of_the_students_labels(former):
    rows = splits.splits_of_run(former.folder).validation[:6]
    said, vectors = ask(former.trained, rows, ("positive", "negative"))
    turned, _ = ask(former.trained, rows, ("negative", "positive"))
    assert list(said) == list(turned)
    assert all(said[name].equal(turned[name].flip(0)) for name in said)
    logits = former.trained.model.head(torch.stack(list(vectors.values())))
    order = [former.trained.task.labels.index(label) for label in ("positive", "negative")]
    torch.testing.assert_close(logits[:, order], torch.stack(list(said.values())))


def test_a_student_learns_from_soft_targets_alone(former, contrary, tmp_path):
    """All labels of its corpus say negative; the teacher knows better."""
    bert = tiny_bert(tmp_path / "student", seed=9)
    methods = {"distillation": {"teacher": str(former.folder), "alpha": 1.0, "hidden": 0.01}}
    config = configured(bert, contrary, f"training.methods={json.dumps(methods)}", "training.epochs=6")
    run = runs.train(config, tmp_path / "run", progress=False)
    assert run.report["splits"]["validation"]["accuracy"] > 0.8


def test_a_teacher_of_other_labels_is_refused_by_name(former, tmp_path):
    method = Distillation(teacher=str(former.folder))
    with pytest.raises(InputError, match=r"knows negative, positive \(binary\), the task is joy, fear \(multiclass\)"):
        method.check_rows(registry.build("tasks", "multiclass", labels=("joy", "fear")), [])
    with pytest.raises(InputError, match="decides for each word"):
        method.check_rows(registry.build("tasks", "sequence_labelling", labels=("O", "B-X")), [])
    with pytest.raises(InputError, match="needs a teacher"):
        configuration.with_settings(Config(), ["training.methods={distillation: {}}"])
    with pytest.raises(InputError, match="no model there"):
        Distillation(teacher=str(tmp_path)).check_rows(former.trained.task, [])
