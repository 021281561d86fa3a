"""The bases beside location: contracts (market) and the network (nodal)."""
