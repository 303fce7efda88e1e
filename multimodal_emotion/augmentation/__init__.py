"""Changes of training utterances that leave their labels true, one file each; a name is a file name."""
