"""Tiny real checkpoints, made with the real libraries, and small labelled texts."""

import random
from pathlib import Path

import torch
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    DebertaV2Config,
    DistilBertConfig,
    MPNetConfig,
    PretrainedConfig,
    RobertaConfig,
)

WORDS = {
    "positive": "good fine lovely bright happy warm kind brave sweet calm".split(),
    "negative": "bad awful dull grim sad cold cruel weak sour harsh".split(),
}
OTHER = "the a film day was it and very man plot in with of this that".split()


def tiny_bert(folder: Path, seed: int = 0) -> Path:
    """A BERT of two layers with a vocabulary of whole words and single letters, saved as `save_pretrained` does."""
    letters = [mark + letter for letter in "abcdefghijklmnopqrstuvwxyz.,!:" for mark in ("", "##")]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *WORDS["positive"],
        *WORDS["negative"],
        *OTHER,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(vocabulary))
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), vocab={name: n for n, name in enumerate(names)})
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


RELATIVES = {
    "roberta": (RobertaConfig, {}),
    "distilbert": (DistilBertConfig, {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}),
    "deberta": (DebertaV2Config, {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8}),
    "mpnet": (MPNetConfig, {}),
}
"""Of BERT: what `tiny_relative` takes to make them."""


def tiny_relative(folder: Path, bert: Path, config: type[PretrainedConfig], **settings: object) -> Path:
    """A relative of BERT of two layers, with weights everywhere, and the vocabulary of a tiny BERT."""
    tokenizer = BertTokenizerFast.from_pretrained(bert)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = AutoModel.from_config(
        config(**{**shape, "vocab_size": len(tokenizer), "max_position_embeddings": 130, "pad_token_id": 0, **settings})
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(text, label) pairs; the label is told by one word of each sentence."""
    generator = random.Random(seed)
    pairs = []
    for _ in range(count):
        label = generator.choice(sorted(WORDS))
        words = [generator.choice(OTHER) for _ in range(generator.randint(2, 12))]
        words.insert(generator.randrange(len(words) + 1), generator.choice(WORDS[label]))
        pairs.append((" ".join(words), label))
    return pairs


def sst2_tree(root: Path, train: int = 256, validation: int = 48) -> Path:
    """SST-2 in the layout of GLUE with generated sentences."""
    root.mkdir(parents=True, exist_ok=True)
    for name, count, seed in (("train", train, 1), ("dev", validation, 2)):
        rows = "".join(f"{text}\t{int(label == 'positive')}\n" for text, label in sentences(count, seed))
        (root / f"{name}.tsv").write_text("sentence\tlabel\n" + rows)
    rows = "".join(f"{n}\t{text}\n" for n, (text, _) in enumerate(sentences(8, 3)))
    (root / "test.tsv").write_text("index\tsentence\n" + rows)
    return root
