"""The bases beside location, in the order in which they are asked. A new one is a file beside this one and its place here."""

from typing import Final

from zonepulse.processors.bases.basis import Basis
from zonepulse.processors.bases.market import Market
from zonepulse.processors.bases.nodal import Nodal

BASES: Final[tuple[type[Basis], ...]] = (Market, Nodal)
