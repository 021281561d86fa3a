"""Imported by a server of tests, whose children have every kernel then."""

from zonepulse.streams.kernels.warm_up import warm_up

warm_up()
