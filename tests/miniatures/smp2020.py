import json
from pathlib import Path

from miniatures._write import write


def build(root: Path) -> None:
    entries = [{"id": 1, "content": "气死了！！", "label": "angry"}, {"id": 2, "content": "你好", "label": "neutral"}]
    listed = json.dumps(entries, ensure_ascii=False)
    for level in ("usual", "virus"):
        write(root, {f"{level}_{split}_labeled.txt": listed for split in ("eval", "test")})
    fold = 'content,labels,type\n"好，""开心""",happy,usual\n,sad,usual\n加油,neural,virus\n疫情,neural,usual\n'
    write(root, {f"usual_train_folds/dev{number}.csv": fold for number in range(5)})
