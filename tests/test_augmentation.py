import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from tiny import sentences
from tiny_encoders import CASES

from multimodal_emotion import config as configuration
from multimodal_emotion import registry, runs
from multimodal_emotion.augmentation import _words
from multimodal_emotion.augmentation._base import Chain, chains
from multimodal_emotion.augmentation._sound import power
from multimodal_emotion.augmentation.emoji import FORMS, NEUTRAL, PATTERN
from multimodal_emotion.augmentation.masks import drawn
from multimodal_emotion.augmentation.typos import _beside
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.encoders.whisper import LogMel
from multimodal_emotion.errors import InputError
from multimodal_emotion.loading import Rows, collate_for, loader
from multimodal_emotion.media import Audio, Text

NAMES = registry.names("augmentation")
OF = {
    medium: [n for n in NAMES if registry.find("augmentation", n).medium == medium]
    for medium in ("text", "audio", "image")
}
SENTENCE = "I was not really happy with the small movie, because my manager said the children began to cry yesterday :)"
RATE = 16000


def build(name, **settings):
    return registry.build("augmentation", name, **{"probability": 1.0, **settings})


def sound(seconds=1.0, pitch=220.0):
    times = np.arange(round(seconds * RATE)) / RATE
    return Audio((0.3 * np.sin(2 * np.pi * pitch * times)).astype(np.float32), RATE)


def medium_for(name):
    if name in OF["text"]:
        return Text(SENTENCE)
    if name in OF["audio"]:
        return sound()
    return np.random.default_rng(0).integers(0, 256, (3, 3, 24, 20), dtype=np.uint8)


def raw(value):
    return (
        value.text
        if isinstance(value, Text)
        else value.samples.tolist()
        if isinstance(value, Audio)
        else value.tolist()
    )


# ------------------------------------------------------------------------------------------------------- every one


@pytest.mark.parametrize("name", NAMES)
def test_each_follows_from_its_generator_changes_something_and_spares_its_input(name):
    step, value = build(name), medium_for(name)
    before = raw(value)
    found = [raw(step(value, np.random.default_rng(seed))) for seed in (0, 0, *range(1, 12))]
    assert found[0] == found[1]
    assert any(each != before for each in found)
    assert any(each != found[0] for each in found) or name == "flip"
    assert raw(value) == before
    assert raw(pickle.loads(pickle.dumps(step))(value, np.random.default_rng(0))) == found[0]


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_does_to_the_label_in_its_docstring_and_in_the_documents(name):
    note = re.search(r"Label: (.*?)(\n\n|\Z)", registry.find("augmentation", name).__doc__, re.DOTALL)
    documents = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")
    assert f"| {' '.join(note[1].split())} |" in documents


def test_what_happens_to_a_row_follows_from_seed_epoch_and_id_alone():
    steps = {"word_dropout": build("word_dropout", share=0.5), "typos": build("typos", share=0.5)}

    def text(seed=0, epoch=0, utterance="a"):
        return Chain("text", steps, seed)(Text(SENTENCE), epoch, utterance, prepared=False).text

    assert text() == text()
    assert len({text(), text(seed=1), text(epoch=1), text(utterance="b")}) == 4


def test_a_probability_is_the_share_of_rows_that_are_changed():
    chain = Chain("image", {"flip": build("flip", probability=0.25)}, 0)
    picture = np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4)
    changed = [not np.array_equal(chain(picture, 0, str(n), prepared=True), picture) for n in range(400)]
    assert 0.19 < np.mean(changed) < 0.31
    assert chain(picture, 0, "a", prepared=False) is picture


# ------------------------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize("name", [name for name in OF["text"] if name != "emoji"])
def test_words_with_emotion_and_negations_stay_as_they_are(name):
    kept = ["not", "really", "happy", "because", "cry", ":)"]
    step = build(name, share=1.0, keep=["because"])
    for seed in range(20):
        words = step(Text(SENTENCE), np.random.default_rng(seed)).text.split()
        assert [word for word in words if word in kept] == kept


def test_which_words_carry_emotion():
    for word in "happy happier happiness, SAD sadder sadly Crying cries hated hateful furiously don't didn’t never hugged worries angrily".split():
        assert _words.carries(word), word
    for word in "the table, Yesterday because writes houses".split():
        assert not _words.carries(word), word
    assert _words.carries("table", {"table"})


def test_synonyms_are_disjoint_from_each_other_and_from_emotion():
    words = [word for group in _words.SYNONYMS for word in group]
    assert len(words) == len(set(words))
    assert [word for word in words if _words.carries(word)] == []
    assert _words.synonyms("Movie,") == ["film"]


def test_word_dropout_leaves_out_its_share_and_never_everything():
    text = Text(" ".join(["table"] * 1000))
    left = len(build("word_dropout", share=0.2)(text, np.random.default_rng(0)).text.split())
    assert 750 < left < 850
    assert build("word_dropout", share=1.0)(Text("table chair"), np.random.default_rng(0)).text == "table chair"


def test_a_swap_keeps_all_words_and_synonyms_keep_case_and_marks():
    text = Text("one two three four five six")
    swapped = build("swap", share=1.0)(text, np.random.default_rng(0)).text
    assert sorted(swapped.split()) == sorted(text.text.split())
    assert swapped != text.text
    assert build("synonyms", share=1.0)(Text("«Film», movie."), np.random.default_rng(0)).text == "«Film», film."
    assert build("synonyms", share=1.0)(Text('"Film" and movie.'), np.random.default_rng(0)).text == '"Movie" and film.'


def test_a_typo_changes_inner_letters_only():
    for seed in range(40):
        (word,) = build("typos", share=1.0)(Text("keyboard"), np.random.default_rng(seed)).text.split()
        assert word[0] + word[-1] == "kd"
        assert 7 <= len(word) <= 9
    assert _beside("s") == "ad"
    assert _beside("ö") == "ö"


def test_emoji_keep_their_meaning():
    for seed in range(20):
        said = build("emoji", add=0.5)(Text("so :) I went 😢 a:(b"), np.random.default_rng(seed)).text
        first, second, *more = PATTERN.findall(said)
        assert (FORMS[first], FORMS[second], more) == (FORMS[":)"], FORMS["😢"], [])
        assert said.replace(first, "", 1).replace(second, "", 1).strip(" " + "".join(NEUTRAL)) == "so  I went  a:(b"


# ----------------------------------------------------------------------------------------------------------- sound


@pytest.mark.parametrize("slope", [0, 1, 2])
def test_noise_has_the_ratio_and_the_slope(slope):
    clip = sound(2.0)
    noisy = build("noise", snr=[12, 12], slope=slope)(clip, np.random.default_rng(0))
    noise = noisy.samples.astype(float) - clip.samples
    assert 10 * np.log10(power(clip.samples) / power(noise)) == pytest.approx(12, abs=0.01)
    spectrum = np.square(np.abs(np.fft.rfft(noise)))
    low, high = spectrum[200:400].mean(), spectrum[3200:6400].mean()
    assert np.log2(low / high) / 4 == pytest.approx(slope, abs=0.15)


@pytest.mark.parametrize("percent", [80, 90, 110, 125])
def test_speed_divides_the_length_and_multiplies_the_pitch(percent):
    clip = sound(1.0)
    faster = build("speed", factor=[percent / 100, percent / 100])(clip, np.random.default_rng(0)).samples
    assert len(faster) == np.ceil(RATE * 100 / percent)
    assert loudest(faster) == pytest.approx(220 * percent / 100, abs=1.5)


def test_noise_room_and_speed_are_those_of_torchaudio():
    from torchaudio.functional import add_noise, fftconvolve
    from torchaudio.functional import speed as torchaudio_speed

    clip = sound(0.5)
    samples = torch.from_numpy(clip.samples)
    noisy = build("noise", snr=[12, 12], slope=0)(clip, np.random.default_rng(0)).samples
    expected = add_noise(samples, torch.from_numpy(noisy) - samples, torch.tensor(12.0))
    np.testing.assert_allclose(noisy, expected, atol=1e-5)

    room = build("reverberation", seconds=[0.3, 0.3], ratio=[3, 3])
    response = torch.from_numpy(room.response(RATE, np.random.default_rng(0))).float()
    heard = fftconvolve(samples, response)[: len(samples)]
    heard = heard * (samples.square().mean() / heard.square().mean()).sqrt()
    np.testing.assert_allclose(room(clip, np.random.default_rng(0)).samples, heard, atol=1e-4)

    faster = build("speed", factor=[1.1, 1.1])(clip, np.random.default_rng(0)).samples
    theirs, _ = torchaudio_speed(samples, RATE, 1.1)
    middle = slice(500, len(faster) - 500)  # the filters differ at the ends
    np.testing.assert_allclose(faster[middle], theirs[: len(faster)].numpy()[middle], atol=5e-3)


def test_pitch_is_shifted_and_the_length_stays():
    higher = build("pitch", semitones=[12, 12])(sound(1.0), np.random.default_rng(0)).samples
    assert len(higher) == RATE
    assert loudest(higher) == pytest.approx(440, abs=3)
    assert len(build("pitch")(sound(0.01), np.random.default_rng(0)).samples) == 160


def loudest(samples):
    """The frequency with the most power, in hertz."""
    return np.fft.rfftfreq(len(samples), 1 / RATE)[np.abs(np.fft.rfft(samples)).argmax()]


def test_reverberation_dies_away_in_its_time_and_keeps_the_power():
    step = build("reverberation", seconds=[0.5, 0.5], ratio=[3, 3])
    response = step.response(RATE, np.random.default_rng(0))
    assert response[0] == 1
    assert 10 * np.log10(1 / np.square(response[1:]).sum()) == pytest.approx(3, abs=1e-6)
    decibels = [10 * np.log10(np.square(part).mean()) for part in np.array_split(response[1:8000], 5)]
    np.testing.assert_allclose(np.diff(decibels), -12, atol=1.5)
    heard = step(sound(), np.random.default_rng(0)).samples
    assert len(heard) == RATE
    assert power(heard) == pytest.approx(power(sound().samples), rel=1e-4)


def test_gain_is_in_decibels():
    louder = build("gain", decibels=[6, 6])(sound(), np.random.default_rng(0)).samples
    np.testing.assert_allclose(louder, sound().samples * 10 ** (6 / 20), rtol=1e-5)


def test_masks_reach_the_spectrogram_of_an_encoder():
    generator = np.random.default_rng(0)
    clip = Audio(generator.normal(0, 0.1, RATE).astype(np.float32), RATE)
    plain = build("masks", times=0, bands=0)(clip, generator).samples
    np.testing.assert_allclose(plain, clip.samples, atol=1e-5)
    mels = LogMel()
    masked = mels(build("masks", times=1, time_share=1.0, bands=0)(clip, np.random.default_rng(3)))
    start, stop = drawn(101, 1.0, np.random.default_rng(3))
    assert stop - start > 10
    assert masked[start + 3 : stop - 3].max() < mels(clip).mean() - 1
    banded = mels(build("masks", times=0, bands=1, band_share=1.0)(clip, np.random.default_rng(3)))
    lower = banded.mean(axis=0) < mels(clip).mean(axis=0) - 0.5
    assert 0 < lower.sum() < 80
    assert np.diff(np.flatnonzero(lower)).max() == 1


def test_drawn_masks_stay_inside():
    spans = [drawn(50, 0.2, np.random.default_rng(seed)) for seed in range(200)]
    assert {stop - start for start, stop in spans} == set(range(11))
    assert min(start for start, _ in spans) == 0
    assert max(stop for _, stop in spans) == 50


# -------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("name", OF["image"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_keep_their_size_all_frames_change_alike_and_torch_draws_as_before(name, channels):
    frame = np.random.default_rng(0).integers(0, 256, (1, channels, 24, 20), dtype=np.uint8)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    changed = build(name)(np.repeat(frame, 3, axis=0), np.random.default_rng(1))
    assert torch.rand(2).equal(expected)
    assert changed.shape == (3, channels, 24, 20)
    assert (changed == changed[:1]).all()


def test_a_flip_is_a_mirror_and_erasing_blackens_its_area():
    pictures = np.random.default_rng(0).integers(1, 256, (2, 3, 40, 40), dtype=np.uint8)
    assert (build("flip")(pictures, np.random.default_rng(0)) == pictures[..., ::-1]).all()
    black = (build("erase", area=[0.1, 0.1])(pictures, np.random.default_rng(0)) == 0).mean()
    assert black == pytest.approx(0.1, abs=0.02)


# ------------------------------------------------------------------------------------------------------- in training


@pytest.fixture
def config(tiny_bert_folder, sst2_folder) -> Config:
    base = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_folder), limit=32))
    base.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"}}
    return configuration.with_settings(
        base,
        ["training.epochs=2", "training.logger=none", "training.augmentation={text: {word_dropout: {share: 0.5}}}"],
    )


def test_training_rows_differ_by_epoch_validation_rows_do_not_and_workers_give_the_same_bits(config):
    splits = runs.read_splits(config)
    task = runs.task_for(config, splits.corpus)
    trained = runs.assemble(config, task, splits.train)
    rows = Rows(splits.train, trained.preparations, task, augment=runs.augmenters(config, task))
    collate, numbers = collate_for(trained.preparations, task), [list(range(16)), list(range(16, 32))]

    def tokens(epoch, workers=0):
        rows.epoch = epoch
        return [batch.inputs["text"].values.tolist() for batch in loader(rows, numbers, collate, workers)]

    assert tokens(0) == tokens(0, workers=2)
    assert tokens(0) != tokens(1)
    dropped = sum(len(rows[n].arrays["text"]) for n in range(32))
    rows.augment = {}
    assert dropped < sum(rows.length(n) for n in range(32)) == sum(len(rows[n].arrays["text"]) for n in range(32))


def test_sound_and_pictures_are_changed_alike_by_two_workers_and_none(tmp_path):
    rows = []
    for number in range(6):
        generator = np.random.default_rng(number)
        soundfile.write(tmp_path / f"{number}.wav", generator.normal(0, 0.1, 4000), RATE)
        Image.fromarray(generator.integers(0, 256, (48, 40, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(Utterance(str(number), audio=tmp_path / f"{number}.wav", image=tmp_path / f"{number}.png"))
    folder = CASES["timm vit"].checkpoint(tmp_path / "vit")
    preparations = {
        "audio": registry.build("encoders", "prosody").prepare,
        "image": registry.build("encoders", "vit", checkpoint=str(folder)).prepare,
    }
    settings = {medium: {name: {"probability": 0.7} for name in OF[medium]} for medium in ("audio", "image")}
    augment = chains(settings, {"audio": "audio", "image": "image"}, 5)
    changed, plain = (Rows(rows, preparations, augment=given) for given in (augment, {}))
    batches, collate = [[0, 1, 2], [3, 4, 5]], collate_for(preparations)

    def values(source, workers):
        found = [batch.inputs[name].values for batch in loader(source, batches, collate, workers) for name in settings]
        return torch.cat([each.flatten().double() for each in found])

    one, two = (values(changed, workers) for workers in (0, 2))
    assert one.equal(two)
    assert not one.equal(values(plain, 0))


def test_a_training_with_augmentation_differs_and_repeats(config, tmp_path):
    one, two = (runs.train(config, tmp_path / name, progress=False) for name in ("one", "two"))
    config.training.augmentation = {}
    plain = runs.train(config, tmp_path / "plain", progress=False)
    losses = [run.report["train"]["loss"] for run in (one, two, plain)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["training.augmentation={text: {word_droput: {}}}"], "did you mean 'word_dropout'"),
        (["training.augmentation={text: {word_dropout: {shar: 1}}}"], "did you mean 'share'"),
        (["training.augmentation={text: {word_dropout: {share: 2}}}"], "share of augmentation/word_dropout is 2.0; it must be"),
        (["training.augmentation={audio: {noise: {snr: [30, 10]}}}"], r"snr of augmentation/noise is \[30, 10\]; it must be two"),
        (["training.augmentation={audio: {speed: {factor: [0, 1]}}}"], r"factor of augmentation/speed is 0; it must be at least 0.25"),
        (["training.augmentation={text: word_dropout}"], "it must be a mapping such as"),
        (["training.augmentation={text: {typos: 0.1}}"], "it must be a mapping of its settings"),
        (["training.augmentation={text: {typos: {}}}", "training.freeze=all"], "computed once and would never change"),
        (
            ["training.augmentation={text: {typos: {}}}", "training.solver=discriminant"],
            r"training\.augmentation\.text in --set needs training\.solver gradient",
        ),
    ],
)  # fmt: skip
def test_a_bad_augmentation_is_refused_by_name(settings, message):
    with pytest.raises(InputError, match=message):
        configuration.with_settings(Config(), settings)


def test_a_frozen_encoder_without_a_cache_may_be_augmented():
    settings = ["training.augmentation={text: {typos: {}}}", "training.freeze=all", "training.cache=false"]
    assert configuration.with_settings(Config(), settings).training.augmentation == {"text": {"typos": {}}}


def test_augmentation_of_another_modality_or_medium_or_of_tagged_words_is_refused(config):
    with pytest.raises(InputError, match="the model has no 'audio'; it has text"):
        chains({"audio": {"noise": {}}}, {"text": "text"}, 0)
    with pytest.raises(InputError, match=r"training\.augmentation\.text\.noise changes audio; text is text"):
        chains({"text": {"noise": {}}}, {"text": "text"}, 0)
    tags = registry.build("tasks", "sequence_labelling", labels=("O", "B-X"))
    with pytest.raises(InputError, match="task sequence_labelling decides for each word, which must stay"):
        runs.assemble(config, tags, [Utterance(id="a", words=("x",), label=("O",))])


def test_real_sentences_keep_their_label_word():
    step = build("word_dropout", share=0.9)
    for text, label in sentences(50):
        from tiny import WORDS

        left = step(Text(text), np.random.default_rng(0)).text.split()
        told = [word for word in text.split() if word in WORDS[label] and _words.carries(word)]
        assert [word for word in left if word in told] == told
