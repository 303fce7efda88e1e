from pathlib import Path

from miniatures._write import write

NAMES = ("1001_DFA_ANG_XX", "1001_IEO_HAP_LO", "1040_ITH_SAD_XX", "1008_WSI_FEA_XX")

VOTES = '"","A","D","F","H","N","S","fileName","numResponses"\n'


def build(root: Path) -> None:
    """Four clips of three actors, one of each split, with votes of all three kinds; nobody saw the last one's face."""
    rows = [
        f'{kind}{number:05},{kind},0,0,1,{number},0,"{name}",9\n'
        for kind in (1, 2, 3)
        for number, name in enumerate(NAMES, start=1)
        if (kind, name) != (2, NAMES[-1])
    ]
    people = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Asian","Not Hispanic"\n'
    write(root, {"VideoDemographics.csv": people, "processedResults/tabulatedVotes.csv": VOTES + "".join(rows)})
