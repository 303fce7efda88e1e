from pathlib import Path

from miniatures._write import write

NAMES = ("1001_DFA_ANG_XX", "1001_IEO_HAP_LO", "1002_TSI_NEU_XX", "1040_ITH_SAD_XX", "1008_WSI_FEA_XX")

VOTES = '"","A","D","F","H","N","S","fileName","numResponses"\n'


def build(root: Path) -> None:
    """Five clips of four actors, one of each split, with votes of all three kinds."""
    rows = [
        f'{kind}{number:05},{kind},0,0,1,{number},0,"{name}",9\n'
        for kind in (1, 2, 3)
        for number, name in enumerate(NAMES, start=1)
    ]
    write(
        root,
        {
            **{f"AudioWAV/{name}.wav".replace("SAD_XX", "SAD_X"): "clip" for name in NAMES},
            f"AudioMP3/{NAMES[0]}.mp3": "clip",
            f"VideoFlash/{NAMES[0]}.flv": "clip",
            "VideoDemographics.csv": '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Asian","Not Hispanic"\n',
            "processedResults/tabulatedVotes.csv": VOTES + "".join(rows),
        },
    )
