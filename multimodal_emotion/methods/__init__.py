"""Ways to train with more than the plain loss, and to unfreeze step by step; one file each."""
