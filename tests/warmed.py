"""Imported by a server of tests, whose children have every kernel then."""

from zonepulse.streams.workers.warm_up import warm_up

warm_up()
