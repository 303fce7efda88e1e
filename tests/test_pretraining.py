import json

import numpy as np
import pytest
import soundfile
import torch
from tiny import RELATIVES, sentences, tiny_relative
from tiny_encoders import CASES

from multimodal_emotion import cli, registry
from multimodal_emotion.batch import Utterance, pad
from multimodal_emotion.encoders._pretraining import MaskedSound, MaskedWords, negatives, objective, spans
from multimodal_emotion.errors import InputError
from multimodal_emotion.pretraining import pretrain


@pytest.fixture
def words(tiny_bert_folder):
    encoder = registry.build("encoders", "bert", checkpoint=str(tiny_bert_folder))
    return objective(encoder, "bert", str(tiny_bert_folder))


def test_fifteen_in_a_hundred_tokens_are_asked_for_most_of_them_masked(words):
    tokens = torch.randint(60, 90, (64, 128), generator=torch.Generator().manual_seed(0))
    tokens[:, 0], tokens[:, -1] = 2, 3
    seen, wanted = words.masked(tokens, torch.Generator().manual_seed(1))
    asked = wanted >= 0
    assert asked.float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert wanted[asked].equal(tokens[asked])
    assert seen[~asked].equal(tokens[~asked])
    assert not asked[:, [0, -1]].any()
    masked = (seen == words.tokenizer.mask_token_id)[asked].float().mean().item()
    same = (seen == tokens)[asked].float().mean().item()
    assert (masked, same) == (pytest.approx(0.8, abs=0.04), pytest.approx(0.1, abs=0.04))
    assert words.masked(tokens, torch.Generator().manual_seed(1))[0].equal(seen)


def test_pretraining_lowers_the_loss_and_its_checkpoint_is_one(tiny_bert_folder, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(text for text, _ in sentences(300)))
    folder = tmp_path / "more"
    command = [
        "pretrain",
        str(texts),
        "--encoders",
        f"text=bert:{tiny_bert_folder}",
        "--output",
        str(folder),
        "--quiet",
    ]
    assert cli.main([*command, "--epochs", "3", "--learning-rate", "1e-2"]) == 0
    report = json.loads((folder / "pretraining.json").read_text())
    assert report["utterances"] == 285
    assert report["held_out"]["after"] < report["held_out"]["before"] - 0.5
    before, after = (
        registry.build("encoders", "bert", checkpoint=str(it), pooling="pooler") for it in (tiny_bert_folder, folder)
    )
    names = dict(after.named_parameters())
    assert not names["backbone.embeddings.word_embeddings.weight"].equal(
        before.backbone.embeddings.word_embeddings.weight
    )
    assert after.pooler.dense.weight.equal(before.pooler.dense.weight)
    assert after.prepare.settings() == before.prepare.settings()
    assert cli.main(command) == 2


def test_masked_spans_are_ten_frames_long_and_negatives_are_other_masked_frames_of_the_clip():
    mask = spans(4, 200, torch.Generator().manual_seed(0))
    assert 0.3 < mask.float().mean() < 0.65
    runs = [len(run) for row in mask for run in "".join("x" if each else " " for each in row[:-10]).split()]
    assert min(runs) >= 10
    chosen = negatives(mask, 7, torch.Generator().manual_seed(0))
    for row in range(4):
        own = chosen[row, mask[row]]
        assert ((own // 200) == row).all()
        assert mask[row][own % 200].all()
        assert (own % 200 != mask[row].nonzero()).all()


def test_sound_is_pretrained_on_its_own_objective(tmp_path):
    start = CASES["wav2vec2 layer"].checkpoint(tmp_path / "start")
    generator = np.random.default_rng(0)
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", generator.normal(0, 0.1, 8000 + 500 * number), 16000)
    clips = [Utterance(id=str(number), audio=tmp_path / f"{number}.wav") for number in range(6)]
    encoder = {"type": "wav2vec2", "checkpoint": str(start)}
    report = pretrain(clips, encoder, tmp_path / "more", epochs=2, batch_size=3, learning_rate=1e-3, progress=False)
    assert np.isfinite([*report["loss"], report["held_out"]["before"], report["held_out"]["after"]]).all()
    again = registry.build("encoders", "wav2vec2", checkpoint=str(tmp_path / "more"))
    first = registry.build("encoders", "wav2vec2", checkpoint=str(start))
    states = again.backbone.state_dict(), first.backbone.state_dict()
    assert any(not states[0][name].equal(states[1][name]) for name in states[1])
    assert type(objective(again, "wav2vec2", str(tmp_path / "more"))) is MaskedSound


def test_what_has_no_objective_is_refused_by_name_and_nothing_is_left(tmp_path, tiny_bert_folder, capsys):
    for case, kind in (("whisper all", "whisper"), ("hubert group", "wav2vec2"), ("timm vit", "vit")):
        checkpoint = str(CASES[case].checkpoint(tmp_path / kind / case))
        with pytest.raises(InputError, match="no objective without labels is known for it"):
            pretrain([], {"type": kind, "checkpoint": checkpoint}, tmp_path / "more", progress=False)
    with pytest.raises(InputError, match="at least two utterances with text; there are 0"):
        pretrain([], {"type": "bert", "checkpoint": str(tiny_bert_folder)}, tmp_path / "more", progress=False)
    assert not (tmp_path / "more").exists()
    assert cli.main(["pretrain", "--output", str(tmp_path / "more")]) == 2
    assert "needs either INPUTs" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bert", *RELATIVES])
def test_logits_of_what_is_asked_alone_give_the_loss_and_gradients_of_all(name, tiny_bert_folder, tmp_path):
    folder = tiny_bert_folder
    if name != "bert":
        config, settings = RELATIVES[name]
        folder = tiny_relative(tmp_path / name, tiny_bert_folder, config, **settings)
    task = objective(registry.build("encoders", "bert", checkpoint=str(folder)), "bert", str(folder))
    task.model.eval()
    arrays = [np.arange(60, 90), np.arange(60, 71)]
    tokens = pad([torch.from_numpy(array) for array in arrays], task.fill)
    values, wanted = task.masked(tokens.values, torch.Generator().manual_seed(0))
    results = []
    for loss in (
        task.loss(arrays, torch.Generator().manual_seed(0)),
        task.model(input_ids=values, attention_mask=tokens.mask.long(), labels=wanted).loss,
    ):
        task.model.zero_grad()
        loss.backward()
        gradients = {name: it.grad.clone() for name, it in task.model.named_parameters() if it.grad is not None}
        results.append((loss.detach(), gradients))
    (ours, own), (theirs, all_of_them) = results
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(own, all_of_them)


def test_masked_words_is_what_text_learns(words):
    assert type(words) is MaskedWords
    loss = words.loss([np.arange(60, 90)], torch.Generator().manual_seed(0))
    assert loss is not None
    assert words.loss([np.array([2, 3])], torch.Generator().manual_seed(0)) is None
