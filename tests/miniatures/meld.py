from pathlib import Path

from miniatures._write import write

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
TIMES = '8,21,"00:16:16,059","00:16:21,731"\n'


def build(root: Path) -> None:
    train = (
        f'1,"You must\u0092ve had, ""full"" hands.",The Interviewer,neutral,neutral,0,0,{TIMES}'
        f"2,That I did.,Chandler,joy,positive,0,1,{TIMES}"
        f"3,Oh!,Richard\u2019s Date,surprise,negative,0,3,{TIMES}"
        f"4,What?,Monica,surprise,negative,1,0,{TIMES}"
    )
    other = f"1,Oh my God,Phoebe,sadness,negative,0,0,{TIMES}2,What?,Monica,surprise,negative,0,1,{TIMES}"
    write(root, {"train_sent_emo.csv": HEADER + train})
    write(root, {f"{split}_sent_emo.csv": HEADER + other for split in ("dev", "test")})
