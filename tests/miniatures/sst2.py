from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    write(
        root,
        {
            "train.tsv": 'sentence\tlabel\nhides nothing " new \t0\na charming journey .\t1\r\n',
            "dev.tsv": "sentence\tlabel\nbleak and desperate \t0\n",
            "test.tsv": "index\tsentence\n0\tuneasy mishmash\n1\tfun\n",
        },
    )
