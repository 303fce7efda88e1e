"""Fine-tune pretrained text, audio and image encoders to understand emotion, from raw files."""

__version__ = "0.1.0"
