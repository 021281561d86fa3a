"""The demo: a sample zone made from measured series, its stream, its run and its screen."""
