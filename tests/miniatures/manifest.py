from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    rows = [
        "id,text,label,split,speaker,dialogue,turn,age",
        "a,I love it,joy,train,ann,d1,0,31",
        'b,"So, ""no"".",anger,train,bob,d1,1,40',
        "c,I am off,sadness,train,bob,d2,0,40",
        "d,Lovely,joy,dev,eve,d3,0,22",
        "e,Go away,anger,test,eve,d4,0,22",
    ]
    write(root, {"manifest.csv": "\n".join(rows) + "\n"})
