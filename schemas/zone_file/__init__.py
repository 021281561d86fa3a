"""zone.yaml: every section read into its entities, every mistake with its line and its remedy."""
