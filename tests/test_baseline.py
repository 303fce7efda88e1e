"""The documented BERT classifier, against a literal copy of its loop in plain transformers."""

import pytest
import torch
from tiny import sentences
from transformers import BertForSequenceClassification, BertTokenizerFast

from multimodal_emotion import runs
from multimodal_emotion.baseline import baseline, recipe
from multimodal_emotion.config import CorpusConfig
from multimodal_emotion.inference import score_rows
from multimodal_emotion.loading import Rows
from multimodal_emotion.training import Fit

EPOCHS, RATE = 2, 1e-3


def reference(checkpoint, texts, labels, orders, start):
    """The recipe as documented: padded to 128, batches of 16, AdamW with eps 1e-6 and no decay, a constant rate."""
    tokenizer = BertTokenizerFast.from_pretrained(checkpoint)
    model = BertForSequenceClassification.from_pretrained(
        checkpoint, num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0
    )
    model.load_state_dict(start, strict=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, eps=1e-6, weight_decay=0.0)
    given = tokenizer(texts, max_length=128, padding="max_length", truncation=True, return_tensors="pt")
    targets = torch.tensor(labels)
    losses = []
    model.train()
    for order in orders:
        for batch in order:
            optimizer.zero_grad()
            output = model(
                input_ids=given["input_ids"][batch],
                attention_mask=given["attention_mask"][batch],
                token_type_ids=given["token_type_ids"][batch],
                labels=targets[batch],
            )
            output.loss.backward()
            optimizer.step()
            losses.append(output.loss.item())
    model.eval()
    with torch.no_grad():
        logits = model(**given).logits
    return losses, logits


def as_plain(state):
    """Our parameters by the names of BertForSequenceClassification."""
    names = {
        "encoders.text.backbone.": "bert.",
        "encoders.text.pooler.": "bert.pooler.",
        "head.1.": "classifier.",
    }
    found = {}
    for name, tensor in state.items():
        for ours, theirs in names.items():
            if name.startswith(ours):
                found[theirs + name.removeprefix(ours)] = tensor.clone()
    return found


@pytest.mark.parametrize("padding", ["max_length", "longest"])
def test_losses_and_predictions_are_those_of_the_recipe(tiny_bert_folder, sst2_folder, padding):
    config = recipe(CorpusConfig(name="sst2", root=str(sst2_folder)), checkpoint=str(tiny_bert_folder), epochs=EPOCHS)
    config.model.dropout = 0.0
    config.model.encoders["text"]["dropout"] = 0.0
    config.training.learning_rate = config.training.head_learning_rate = RATE
    config.training.padding = padding
    config.training.accelerator = "cpu"
    splits = runs.read_splits(config)
    task = runs.task_for(config, splits.corpus)
    trained = runs.assemble(config, task, splits.train)
    rows = Rows(splits.train, trained.preparations, task)
    fit = Fit(trained, rows, None, config.training, config.seed, progress=False)
    start = as_plain(trained.model.state_dict())
    losses = []
    step = fit.step
    fit.step = lambda *args: losses.append(step(*args)) or losses[-1]
    orders = [fit.batches(epoch) for epoch in range(EPOCHS)]
    fit.run()
    texts = [utterance.text for utterance in splits.train]
    labels = [task.labels.index(utterance.label) for utterance in splits.train]
    expected, logits = reference(tiny_bert_folder, texts, labels, orders, start)
    assert losses == pytest.approx(expected, abs=1e-5)
    ours = [item.scores.argmax() for item in score_rows(trained, rows, precision="32")]
    assert ours == logits.argmax(dim=1).tolist()


def test_orders_are_shuffled_batches_of_sixteen(tiny_bert_folder, sst2_folder):
    config = recipe(CorpusConfig(name="sst2", root=str(sst2_folder)), checkpoint=str(tiny_bert_folder))
    training = config.training
    assert (training.batch_size, training.learning_rate, training.eps, training.weight_decay) == (16, 2e-5, 1e-6, 0.0)
    assert (training.schedule, training.epochs, training.padding, training.clip) == ("constant", 5, "max_length", 0.0)
    assert config.model.encoders["text"]["max_length"] == 128


def test_it_reports_before_and_after_and_the_published_figure(tiny_bert_folder, sst2_folder, tmp_path, capsys):
    run = baseline(
        "sst2",
        sst2_folder,
        checkpoint=str(tiny_bert_folder),
        epochs=1,
        limit=32,
        output=tmp_path / "run",
        progress=True,
    )
    printed = capsys.readouterr().out
    assert "before tuning" in printed
    assert "after tuning" in printed
    assert ".9232" in printed
    assert run.report["untuned"]["n"] == run.report["splits"]["validation"]["n"] == 32


def test_sentences_are_balanced_enough_to_learn_from():
    labels = [label for _, label in sentences(200)]
    assert 60 < labels.count("positive") < 140
