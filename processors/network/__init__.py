"""One window of the network after another: what flows where, and which carbon goes with it."""
