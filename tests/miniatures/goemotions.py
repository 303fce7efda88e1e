from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    write(
        root,
        {
            "train.tsv": "My favourite food\t27\teebbqej\nYou know,\u2028man!\t4,10\ted00q6i\n",
            "dev.tsv": "So sad\t25,9\tedcu99z\n",
            "test.tsv": "Thanks, love it\t15,18\tee84bjg\n",
        },
    )
