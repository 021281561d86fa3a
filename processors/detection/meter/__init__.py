"""Rules about meters, one file each; `rules.py` lists them."""
