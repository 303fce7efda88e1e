"""Pretrained encoders, one file each: the file name is the encoder's name."""
