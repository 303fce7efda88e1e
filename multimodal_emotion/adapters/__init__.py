"""Ways to adapt a pretrained encoder by few parameters; one file each."""
