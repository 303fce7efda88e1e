from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    write(
        root,
        {
            "corpus/emobank.csv": "id,split,V,A,D,text\n"
            'a_1,train,3.0,3.0,3.2,"Remember what she said. """\n'
            "a_2,test,2.8,3.1,2.8,If I wasn't working here.\n"
            "b_1,dev,1.2,4.4,3,Gone.\n",
            "corpus/meta.tsv": "id\tdocument\tcategory\tsubcategory\na_1\ta\tletters\t \na_2\ta\tletters\t \n",
        },
    )
