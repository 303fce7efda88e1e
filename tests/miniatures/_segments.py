"""What the miniatures of opinion videos share."""

HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"


def table(*rows: str) -> str:
    return HEADER + "".join(f"{row}\n" for row in rows)
