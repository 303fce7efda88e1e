import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np

from multimodal_emotion import registry
from multimodal_emotion.batch import Utterance
from multimodal_emotion.cache import ContentKeys, FeatureCache
from multimodal_emotion.extraction import extract


def test_kept_arrays_are_mapped_back_bit_for_bit(tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    array = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    cache.keep({"a": array, "none": np.zeros((0, 5), np.float32)})
    again = FeatureCache(tmp_path / "cache")
    assert isinstance(again["a"], np.memmap)
    assert np.array_equal(again["a"], array)
    assert again["none"].shape == (0, 5)
    assert set(again) == {"a", "none"}


def test_a_second_process_sees_what_is_finished(tmp_path):
    one, two = FeatureCache(tmp_path), FeatureCache(tmp_path)
    one.keep({"a": np.ones(2)})
    assert "a" not in two
    two.refresh()
    assert "a" in two


def _write_for_ever(folder: str) -> None:
    cache = FeatureCache(folder)
    number = 0
    while True:
        cache.keep({f"{os.getpid()}-{number}": np.full((1000, 100), float(number))})
        number += 1


def test_two_writers_and_a_kill_leave_only_whole_entries(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_for_ever, args=(str(tmp_path),)) for _ in range(2)]
    for writer in writers:
        writer.start()
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.json"))) < 12 and time.monotonic() < deadline:
        time.sleep(0.05)
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    cache = FeatureCache(tmp_path)
    assert len(cache) >= 12
    for key, array in cache.items():
        assert (array == float(key.split("-")[1])).all()


def test_keys_follow_content_not_names(tmp_path):
    one, two, other = (tmp_path / name for name in ("a.wav", "b.wav", "c.wav"))
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    other.write_bytes(b"else")
    keys = ContentKeys()

    def key(path: Path, **more) -> str:
        return keys.key(Utterance(id="x", audio=path, **more), "audio")

    assert key(one) == key(two) != key(other)
    assert key(one, start=0.0) != key(one)
    assert keys.key(Utterance(id="1", text="a"), "text") == keys.key(Utterance(id="2", text="a"), "text")
    assert keys.key(Utterance(id="1", text="a"), "text") != keys.key(Utterance(id="1", text="b"), "text")


def test_many_entries_hold_few_files_open(tmp_path):
    cache = FeatureCache(tmp_path)
    arrays = {f"entry {number}": np.full((1, 3), number, dtype=np.float32) for number in range(2000)}
    cache.keep({"odd": np.zeros(3, dtype=np.uint8), **arrays})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        held = [cache[name] for name in arrays]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert all(array[0, 2] == number for number, array in enumerate(held))


def test_what_is_computed_comes_back_from_the_disk_and_not_from_memory(tiny_bert_folder, tmp_path):
    encoder = registry.build("encoders", "bert", checkpoint=str(tiny_bert_folder))
    encoder.freeze()
    rows = [Utterance(str(number), text="good " * (number + 1)) for number in range(5)]
    held = extract(encoder, "text", rows)
    for _ in range(2):  # computed, then found
        kept = extract(encoder, "text", rows, cache=tmp_path)
        assert all(isinstance(array, np.memmap) for array in kept)
        for one, other in zip(held, kept, strict=True):
            np.testing.assert_array_equal(one, other)
