"""The starter corpus: `utterances.jsonl`, 400 sentences written for this package and given to the public domain (CC0)."""
