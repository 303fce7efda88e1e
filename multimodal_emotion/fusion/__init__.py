"""Fusions, one file each: the file name is the fusion's name."""
