import json
import pickle
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_bert
from tiny_encoders import CASES, Case, media, speech, tiny_timm, tiny_whisper
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model, WhisperFeatureExtractor, WhisperModel

import multimodal_emotion.encoders
from multimodal_emotion import registry
from multimodal_emotion.batch import MaskedSequence, Utterance, pad
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.encoders._readout import Readout, choose
from multimodal_emotion.encoders.bert import Bert, second_text
from multimodal_emotion.encoders.features import Features
from multimodal_emotion.encoders.prosody import Prosody
from multimodal_emotion.encoders.vit import Vit
from multimodal_emotion.encoders.wav2vec2 import Wav2Vec2
from multimodal_emotion.encoders.whisper import Whisper
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import Audio, Frames, Text

ALL = {**CASES, "bert": Case("bert", {"pooling": "mean", "layers": "mix"}, tiny_bert)}

Build = Callable[..., Encoder]


# ------------------------------------------------------------------------------------------------ the contract, for all


def inputs_of(encoder: Encoder, rows: list[Any]) -> MaskedSequence:
    return pad([None if array is None else torch.from_numpy(array) for array in rows], encoder.prepare.fill)


def forward(encoder: Encoder, rows: list[Any]) -> MaskedSequence:
    return encoder(inputs_of(encoder, rows))


def arrays_of(encoder: Encoder) -> list[np.ndarray]:
    found = encoder.prepare.many(media(encoder.medium))
    assert all(array is not None for array in found)
    return found  # type: ignore[return-value]


def alike(first: MaskedSequence, second: MaskedSequence) -> bool:
    return torch.equal(first.mask, second.mask) and torch.allclose(first.values, second.values, atol=1e-5)


@torch.no_grad()
def a_padded_row_equals_the_row_alone(build: Build, folder: Path) -> None:
    encoder = build().eval()
    arrays = arrays_of(encoder)
    together = forward(encoder, [None, *arrays, None])
    assert together.values.shape[-1] == encoder.dim
    for number, array in enumerate(arrays, start=1):
        alone = forward(encoder, [array])
        steps = alone.mask.shape[1]
        assert alone.mask.all()
        assert together.mask[number].sum() == steps
        assert torch.allclose(together.values[number, :steps], alone.values[0], atol=1e-5)
        assert not together.values[number, steps:].any()


@torch.no_grad()
def absent_rows_are_zero(build: Build, folder: Path) -> None:
    encoder = build().eval()
    arrays = arrays_of(encoder)
    mixed = forward(encoder, [arrays[0], None])
    assert mixed.present.tolist() == [True, False]
    assert not mixed.values[1].any()
    nothing = MaskedSequence(torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.bool))
    assert not encoder(nothing).present.any()
    assert encoder(nothing).values.shape == (2, 1, encoder.dim)


def gradients_are_finite(build: Build, folder: Path) -> None:
    encoder = build().train()
    loss = forward(encoder, [*arrays_of(encoder), None]).values.square().sum()
    assert loss.isfinite()
    if loss.requires_grad:
        loss.backward()
    gradients = [parameter.grad for parameter in encoder.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert bool(gradients) == any(parameter.requires_grad for parameter in encoder.parameters())


def freezing_stops_gradients_and_dropout(build: Build, folder: Path) -> None:
    encoder = build()
    encoder.freeze()
    encoder.train()
    rows = inputs_of(encoder, arrays_of(encoder))
    assert not any(parameter.requires_grad for parameter in encoder.pretrained_parameters())
    assert not encoder.features(rows).values.requires_grad
    assert torch.equal(encoder.features(rows).values, encoder.features(rows).values)


def blocks_go_from_the_input_upwards(build: Build, folder: Path) -> None:
    encoder = build()
    pretrained = {id(parameter) for parameter in encoder.pretrained_parameters()}
    blocks = encoder.blocks()
    seen = [id(parameter) for block in blocks for parameter in block.parameters()]
    assert set(seen) <= pretrained
    assert len(seen) == len(set(seen))
    assert bool(blocks) == bool(pretrained)
    if blocks:
        encoder.freeze(1)
        assert not any(parameter.requires_grad for parameter in blocks[0].parameters())
        assert any(parameter.requires_grad for parameter in blocks[-1].parameters())
    with pytest.raises(ValueError, match="blocks"):
        encoder.freeze(len(blocks) + 1)


@torch.no_grad()
def features_then_pool_is_forward(build: Build, folder: Path) -> None:
    encoder = build().eval()
    rows = inputs_of(encoder, [*arrays_of(encoder), None])
    assert alike(encoder.pool_features(encoder.features(rows)), encoder(rows))


@torch.no_grad()
def a_saved_encoder_is_built_again(build: Build, folder: Path) -> None:
    encoder = build().eval()
    arrays = arrays_of(encoder)
    if encoder.wants_fit:
        encoder.fit([encoder.features(inputs_of(encoder, arrays))])  # type: ignore[attr-defined]
        assert not encoder.wants_fit
    encoder.save(folder)
    again = build(checkpoint=str(folder), weights=False).eval()
    again.load_state_dict(encoder.state_dict())
    assert not list(folder.rglob("*.bin"))
    assert again.prepare.settings() == encoder.prepare.settings()
    assert all(np.array_equal(one, other) for one, other in zip(arrays, arrays_of(again), strict=True))
    assert alike(forward(again, arrays), forward(encoder, arrays))
    assert again.fingerprint() == encoder.fingerprint()


def the_fingerprint_follows_weights_and_preparation(build: Build, folder: Path) -> None:
    encoder, again = build(), build()
    first = encoder.fingerprint()
    assert first == again.fingerprint()
    parameters = again.pretrained_parameters()
    if parameters:
        with torch.no_grad():
            parameters[-1].view(-1)[0] += 1
        assert again.fingerprint() != first
    encoder.prepare.another_setting = 1  # type: ignore[attr-defined]
    assert encoder.fingerprint() != first


def preparation_travels_to_workers(build: Build, folder: Path) -> None:
    encoder = build()
    parcel = pickle.dumps(encoder.prepare)
    again = pickle.loads(parcel)
    assert again.settings() == encoder.prepare.settings()
    json.dumps(again.settings())
    for medium, array in zip(media(encoder.medium), arrays_of(encoder), strict=True):
        assert array.ndim >= 1
        assert np.array_equal(again(medium), array)
    weights = sum(parameter.nbytes for parameter in encoder.pretrained_parameters())
    assert not weights or b"torch.nn.modules" not in parcel
    assert encoder.prepare.read(Utterance("nothing")) is None


CONTRACT = [
    a_padded_row_equals_the_row_alone,
    absent_rows_are_zero,
    gradients_are_finite,
    freezing_stops_gradients_and_dropout,
    blocks_go_from_the_input_upwards,
    features_then_pool_is_forward,
    a_saved_encoder_is_built_again,
    the_fingerprint_follows_weights_and_preparation,
    preparation_travels_to_workers,
]


@pytest.fixture(scope="session")
def build_case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Build]:
    """Case -> a function that builds its encoder; each checkpoint is written once."""
    folders: dict[int, Path] = {}

    def builder(case: Case) -> Build:
        known = registry.settings(registry.find("encoders", case.name))
        if case.checkpoint is not None and id(case) not in folders:
            folders[id(case)] = case.checkpoint(tmp_path_factory.mktemp("checkpoint"))
        given = dict(case.settings)
        if case.checkpoint is not None:
            given["checkpoint"] = str(folders[id(case)])

        def build(**other: Any) -> Encoder:
            torch.manual_seed(0)
            changed = {key: value for key, value in other.items() if key in known}
            return registry.build("encoders", case.name, **(given | changed))

        return build

    return builder


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", ALL.values(), ids=ALL)
def test_contract(case: Case, check: Callable[[Build, Path], None], build_case: Any, tmp_path: Path):
    check(build_case(case), tmp_path)


@pytest.mark.parametrize("name", registry.names("encoders"))
def test_every_encoder_is_under_contract(name: str):
    assert name in {case.name for case in ALL.values()}


def test_a_new_file_is_an_encoder_under_contract(build_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    room = tmp_path / "room"
    room.mkdir()
    (room / "hubert_like.py").write_text(
        textwrap.dedent('''
        """HuBERT with settings of its own."""

        from multimodal_emotion.encoders.wav2vec2 import Wav2Vec2


        class HubertLike(Wav2Vec2):
            """HuBERT whose last layer is averaged."""

            def __init__(self, checkpoint: str, *, weights: bool = True) -> None:
                super().__init__(checkpoint, weights=weights, layers="last", pooling="mean")
        ''')
    )
    monkeypatch.setattr(multimodal_emotion.encoders, "__path__", [*multimodal_emotion.encoders.__path__, str(room)])
    assert "hubert_like" in registry.names("encoders")
    build = build_case(Case("hubert_like", {}, CASES["hubert group"].checkpoint))
    assert type(build()).__name__ == "HubertLike"
    for number, check in enumerate(CONTRACT):
        folder = tmp_path / str(number)
        folder.mkdir()
        check(build, folder)


def test_a_wrong_setting_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown setting 'standardize'.*did you mean 'standardise'"):
        registry.build("encoders", "prosody", standardize=True)


# ------------------------------------------------------------------------------------------------------------- readout


@pytest.mark.parametrize(
    ("layers", "expected"),
    [("last", (3,)), ("all", (0, 1, 2, 3)), ("mix", (0, 1, 2, 3)), (2, (2,)), ([0, -1], (0, 3)), ((1,), (1,))],
)
def test_layers_are_chosen_by_name_or_number(layers: Any, expected: tuple[int, ...]):
    assert choose(layers, 4) == expected


@pytest.mark.parametrize("layers", ["first", [4], [], -5])
def test_layers_that_are_not_there(layers: Any):
    with pytest.raises(InputError, match="it must be 'last', 'mix', 'all', or numbers from 0 to 3"):
        choose(layers, 4)


def test_layers_of_different_width_are_not_mixed():
    with pytest.raises(InputError, match="widths 8, 16 cannot be mixed"):
        Readout([8, 16], "mix")
    assert Readout([8, 16], "all", "stats").dim == 48


def test_what_has_no_parameters_is_pooled_before_the_cache():
    states = [torch.randn(2, 5, 4), torch.randn(2, 5, 4)]
    mask = torch.ones(2, 5, dtype=torch.bool)
    assert Readout([4, 4], "all", "stats").collect(states, mask).values.shape == (2, 1, 16)
    assert Readout([4, 4], "mix", "stats").collect(states, mask).values.shape == (2, 5, 8)
    assert Readout([4, 4], "all", "attention").collect(states, mask).values.shape == (2, 5, 8)


# ------------------------------------------------------------------------------------------------------------ wav2vec2


def test_group_norm_is_not_padding_invariant_and_says_so(build_case: Any):
    expected = {"wav2vec2 group": False, "hubert group": False, "data2vec-audio": False}
    expected |= {"wav2vec2 layer": True, "hubert layer": True, "wavlm": True}
    assert {name: build_case(CASES[name])().padding_invariant for name in expected} == expected


def test_wav2vec2_gives_what_transformers_gives(tmp_path: Path):
    folder = speech(Wav2Vec2Model, Wav2Vec2Config)(tmp_path)
    encoder = Wav2Vec2(str(folder), layers="last", pooling="none").eval()
    clip = media("audio")[0]
    prepared = Wav2Vec2FeatureExtractor(do_normalize=True)(clip.samples, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        expected = Wav2Vec2Model.from_pretrained(folder).eval()(prepared.input_values).last_hidden_state
        found = forward(encoder, [encoder.prepare(clip)])
    assert torch.allclose(found.values, expected, atol=1e-5)


def test_wav2vec2_takes_clips_shorter_than_a_frame(build_case: Any):
    encoder = build_case(CASES["wav2vec2 layer"])().eval()
    array = encoder.prepare(Audio(np.full(7, 0.5, dtype=np.float32), 16000))
    assert len(array) == 105
    assert forward(encoder, [array]).mask.tolist() == [[True]]
    assert len(encoder.prepare(Audio(np.zeros(0, dtype=np.float32), 16000))) == 0


def test_wav2vec2_without_a_preprocessor_takes_the_family_s(tmp_path: Path):
    folder = speech(Wav2Vec2Model, Wav2Vec2Config)(tmp_path)
    (folder / "preprocessor_config.json").unlink()
    assert Wav2Vec2(str(folder)).prepare.settings()["normalise"] is True


def test_checkpoints_of_another_family_are_refused(tmp_path: Path):
    bert = tiny_bert(tmp_path / "bert")
    with pytest.raises(InputError, match="is a bert checkpoint, not of the wav2vec2 family"):
        Wav2Vec2(str(bert))
    with pytest.raises(InputError, match="is a bert checkpoint, not a Whisper"):
        Whisper(str(bert))
    with pytest.raises(InputError, match="is a bert checkpoint, not of images"):
        registry.build("encoders", "dinov2", checkpoint=str(bert))


def test_max_seconds_must_be_positive():
    with pytest.raises(InputError, match="max_seconds is 0; it must be positive"):
        Prosody(max_seconds=0)


# ------------------------------------------------------------------------------------------------------------- whisper


def test_log_mel_frames_are_whisper_s_own(tmp_path: Path):
    encoder = Whisper(str(tiny_whisper(tmp_path)), pooling="none")
    for clip in media("audio"):
        expected = WhisperFeatureExtractor()(clip.samples, sampling_rate=16000, return_tensors="np").input_features[0].T
        found = encoder.prepare(clip)
        assert len(found) == -(-len(clip.samples) // 160)
        assert np.allclose(found, expected[: len(found)], atol=1e-5)
    assert encoder.prepare(Audio(np.zeros(0, dtype=np.float32), 16000)).shape == (0, 80)


def test_whisper_on_a_full_window_gives_what_transformers_gives(tmp_path: Path):
    folder = tiny_whisper(tmp_path)
    encoder = Whisper(str(folder), layers="all", pooling="none", standardise=False).eval()
    mels = torch.randn(50, 80)
    with torch.no_grad():
        output = WhisperModel.from_pretrained(folder).encoder.eval()(mels.T[None], output_hidden_states=True)
        found = encoder(pad([mels]))
    assert torch.allclose(found.values, torch.cat(output.hidden_states, dim=-1), atol=1e-5)


def test_whisper_hears_long_clips_in_chunks(tmp_path: Path):
    encoder = Whisper(str(tiny_whisper(tmp_path)), layers="last", pooling="none", standardise=False).eval()
    mels = torch.randn(73, 80)
    with torch.no_grad():
        whole, first, second = (encoder(pad([part])).values for part in (mels, mels[:50], mels[50:]))
    assert torch.allclose(whole, torch.cat([first, second], dim=1), atol=1e-5)


# ------------------------------------------------------------------------------------------------------------- prosody


def tone(hertz: float, seconds: float = 1.0, loudness: float = 0.3) -> Audio:
    times = np.arange(int(16000 * seconds)) / 16000
    wave = sum(np.sin(2 * np.pi * hertz * k * times) / k for k in range(1, 8))
    return Audio((loudness * wave / 2).astype(np.float32), 16000)


def measured(clip: Audio) -> dict[str, float]:
    encoder = Prosody()
    (row,) = encoder.prepare(clip)
    return dict(zip(encoder.feature_names, row.tolist(), strict=True))


def test_prosody_measures_what_its_names_say():
    low, high, quiet = measured(tone(110)), measured(tone(220)), measured(tone(110, loudness=0.03))
    assert low["pitch_median"] == pytest.approx(12 * np.log2(1.1), abs=0.2)
    assert high["pitch_median"] - low["pitch_median"] == pytest.approx(12, abs=0.2)
    assert low["energy_mean"] - quiet["energy_mean"] == pytest.approx(20, abs=0.5)
    assert low["jitter"] < 0.01
    assert low["voiced_share"] > 0.9
    noise = measured(Audio(np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32), 16000))
    assert noise["voiced_share"] < 0.2
    assert noise["harmonics_to_noise_mean"] < low["harmonics_to_noise_mean"]
    assert noise["centroid_mean"] > low["centroid_mean"]


def test_prosody_hears_rhythm():
    pause = np.zeros(4000, dtype=np.float32)
    beats = Audio(np.concatenate([part for _ in range(5) for part in (tone(150, 0.2).samples, pause)]), 16000)
    found = measured(beats)
    assert found["syllable_rate"] == pytest.approx(5 / 2.2, abs=0.6)
    assert found["pause_share"] == pytest.approx(0.45, abs=0.15)
    assert found["pause_seconds"] == pytest.approx(0.2, abs=0.08)


def test_prosody_of_difficult_clips_is_finite_and_always_the_same():
    for samples in (np.zeros(50), np.ones(8000), np.random.default_rng(0).normal(size=300)):
        clip = Audio(samples.astype(np.float32), 16000)
        assert np.isfinite(list(measured(clip).values())).all()
        assert measured(clip) == measured(clip)


# ------------------------------------------------------------------------------------------------------------ features


def test_features_come_from_a_table_or_a_file(tmp_path: Path):
    encoder = Features("units", 3)
    np.save(tmp_path / "a.npy", np.array([[1, 2, 3], [4, np.nan, 6]]))
    np.savez(tmp_path / "b.npz", found=np.arange(3))

    def read(given: Any) -> list[list[float]]:
        return encoder.prepare(encoder.prepare.read(Utterance("u", features={"units": given}))).tolist()

    assert read((1.0, 2.0, 3.0)) == [[1, 2, 3]]
    assert read(tmp_path / "a.npy") == [[1, 2, 3]]
    assert read(tmp_path / "b.npz") == [[0, 1, 2]]
    assert encoder.prepare.read(Utterance("u", features={"others": (1.0,)})) is None


def test_features_that_are_wrong(tmp_path: Path):
    encoder = Features("units", 3)
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    np.save(tmp_path / "words.npy", np.array(["a", "b", "c"]))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY broken")
    with (tmp_path / "pickled.npy").open("wb") as file:
        pickle.dump([1, 2, 3], file)

    def read(given: Any) -> Any:
        return encoder.prepare(encoder.prepare.read(Utterance("u", features={"units": given})))

    with pytest.raises(InputError, match=r"'units' have shape \(2,\); \(3,\) or \(time, 3\) is right"):
        read((1.0, 2.0))
    with pytest.raises(InputError, match="holds 2 arrays"):
        read(tmp_path / "two.npz")
    with pytest.raises(InputError, match=r"words.npy holds <U1, not numbers"):
        read(tmp_path / "words.npy")
    for name in ("broken.npy", "pickled.npy", "absent.npy"):
        with pytest.raises(InputError, match=f"{name} is no .npy or .npz file"):
            read(tmp_path / name)
    with pytest.raises(InputError, match="dim 0; it must be at least 1"):
        Features("units", 0)


# -------------------------------------------------------------------------------------------------------------- images


def one_frame(height: int = 20, width: int = 30) -> Frames:
    pixels = np.zeros((1, height, width, 3), dtype=np.uint8)
    pixels[0, :, width // 2 :, 0] = 255
    return Frames(pixels, np.zeros(1))


def test_the_middle_of_a_frame_is_taken(tmp_path: Path):
    prepare = Vit(str(tiny_timm(tmp_path)), weights=False, size=16).prepare
    (picture,) = prepare(one_frame())
    assert picture.shape == (3, 16, 16)
    assert picture[0, :, :6].max() < 20
    assert picture[0, :, 10:].min() > 235
    assert not picture[1:].any()


def test_colours_can_be_removed(tmp_path: Path):
    prepare = Vit(str(tiny_timm(tmp_path)), weights=False, greyscale=True).prepare
    (picture,) = prepare(one_frame())
    assert np.array_equal(picture[0], picture[1])
    assert picture[0].max() == 76


def test_faces_are_cut_out_and_what_happens_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def boxes(pixels: np.ndarray, margin: float, detector: str | None) -> list[Any]:
        asked.append((margin, detector))
        return [(15.0, 0.0, 30.0, 15.0), None]

    monkeypatch.setattr("multimodal_emotion.faces.boxes", boxes, raising=False)
    folder = str(tiny_timm(tmp_path / "timm"))
    small = Frames(np.zeros((2, 48, 48, 3), dtype=np.uint8), np.arange(2.0))
    assert len(Vit(folder, weights=False, faces="crop").prepare(small)) == 2
    assert asked == []  # a thumbnail is a face already
    monkeypatch.setattr("multimodal_emotion.encoders._pictures.THUMBNAIL", 0)
    (tmp_path / "yunet.onnx").write_bytes(b"a detector")
    two = Frames(np.repeat(one_frame().pixels, 2, axis=0), np.arange(2.0))
    encoder = Vit(folder, weights=False, faces="crop", margin=0.3, detector=str(tmp_path / "yunet.onnx"))
    face, whole = encoder.prepare(two)
    assert face[0].min() > 200
    assert whole[0].min() == 0
    assert asked == [(0.3, str(tmp_path / "yunet.onnx"))]
    assert len(Vit(folder, weights=False, faces="crop", fallback="absent").prepare(two)) == 1
    # A saved encoder carries its detector.
    saved = tmp_path / "saved"
    saved.mkdir()
    encoder.save(saved)
    again = Vit(str(saved), weights=False, faces="crop", margin=0.3)
    assert again.prepare.settings()["detector"] == str(saved / "face_detector.onnx")


def test_image_settings_out_of_their_choices(tmp_path: Path):
    folder = str(tiny_timm(tmp_path))
    for settings, message in (
        ({"faces": "cropped"}, "unknown value of faces 'cropped'; did you mean 'crop'"),
        ({"fallback": "none"}, "unknown value of fallback 'none'"),
        ({"count": 0}, "count is 0; it must be at least 1 frame"),
        ({"margin": -1}, "margin is -1; it must not be negative"),
        ({"arguments": {"depht": 2}}, "cannot be built with .*depht"),
    ):
        with pytest.raises(InputError, match=message):
            Vit(folder, weights=False, **settings)


def test_vit_gives_what_timm_gives(tmp_path: Path):
    import timm
    from safetensors.torch import load_file

    folder = tiny_timm(tmp_path)
    encoder = Vit(str(folder), pooling="none").eval()
    arguments = json.loads((folder / "config.json").read_text())["model_args"]
    model = timm.create_model("vit_tiny_patch16_224", num_classes=3, **arguments).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    pictures = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        expected = model.forward_head(model.forward_features(pictures / 255 * 2 - 1), pre_logits=True)
        assert torch.allclose(encoder(pad([pictures])).values[0], expected, atol=1e-5)


def test_vit_takes_pictures_of_another_size(tmp_path: Path):
    encoder = Vit(str(tiny_timm(tmp_path)), size=32).eval()
    assert encoder.prepare.settings()["size"] == (32, 32)
    assert encoder.backbone.patch_embed.grid_size == (4, 4)


def test_vit_with_arguments_of_its_own_is_built_again(tmp_path: Path):
    arguments = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    encoder = Vit("vit_tiny_patch16_224", weights=False, size=24, arguments=arguments)
    encoder.save(tmp_path)
    again = Vit(str(tmp_path), weights=False)
    again.load_state_dict(encoder.state_dict())
    assert again.prepare.settings() == encoder.prepare.settings()


def test_vit_weights_that_cannot_be_had(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    with pytest.raises(
        InputError, match=r"unknown timm model 'vit_bas_patch16_224'.*did you mean 'vit_base_patch16_224'"
    ):
        Vit("vit_bas_patch16_224")
    with pytest.raises(InputError, match="hub cannot be reached; take `--preset embedded`"):
        Vit("vit_base_patch16_224")
    folder = tiny_timm(tmp_path / "timm")
    state = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in state.items() if name != "cls_token"}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"no weights for 'cls_token'|cannot be built"):
        Vit(str(folder))
    (folder / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(InputError, match="names no architecture of timm; encoder dinov2"):
        Vit(str(folder))
    (folder / "config.json").write_text('{"architecture": "hf-hub:stranger/model"}')
    with pytest.raises(InputError, match="unknown timm model 'hf-hub:stranger/model'"):
        Vit(str(folder))


def test_dinov2_interpolates_positions_and_names_its_tokens(build_case: Any, tmp_path: Path):
    build = build_case(CASES["dinov2"])
    small, large = build(size=28), build(size=70)
    assert small.dim == large.dim == 32
    with pytest.raises(InputError, match="unknown value of tokens 'cls'"):
        build(tokens="cls")
    with pytest.raises(InputError, match="has no class token; take tokens 'mean'"):
        build_case(CASES["transformers convnext"])(tokens="class")
    with pytest.raises(InputError, match="cannot take pictures of 7"):
        build(size=7)


def test_an_utterance_is_pooled_without_its_context(tmp_path: Path):
    tiny_bert(tmp_path / "bert")
    encoder, pooled = (
        Bert(str(tmp_path / "bert"), pooling="mean", pool_context=pool_context).eval() for pool_context in (False, True)
    )
    texts = [Text("good film", context=("ann: bad day", "ben: it was")), Text("the very sad man and plot")]
    rows = pad([torch.from_numpy(row) for row in encoder.prepare.many(texts) if row is not None])
    with torch.no_grad():
        states = encoder.extract(rows)
        own = states.mask.sum(dim=1).tolist()
        # "good film [SEP]", for all that stands before it; a text without context is taken whole.
        assert own == [3, 8]
        assert torch.equal(second_text(rows, encoder.prepare._tokenizer.sep_token_id)[0], states.mask[0])
        both = encoder(rows).values, pooled(rows).values
    assert not torch.allclose(both[0][0], both[1][0])
    assert torch.allclose(both[0][1], both[1][1])
    assert encoder.fingerprint() != pooled.fingerprint()


def test_token_types_are_those_of_the_tokeniser(tmp_path: Path):
    tiny_bert(tmp_path / "bert")
    encoder = Bert(str(tmp_path / "bert"))
    tokenizer = encoder.prepare._tokenizer
    for pair in (("bad day", "good film"), ("bad day [SEP] it was", "good film")):
        given = tokenizer(*pair, return_tensors="pt")
        found = second_text(MaskedSequence(given["input_ids"], given["attention_mask"].bool()), tokenizer.sep_token_id)
        assert torch.equal(found.long(), given["token_type_ids"])
