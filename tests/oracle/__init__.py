"""The slow, obvious twin of zonepulse: from a log of records to the final rows of every table, in plain Python integers.

It shares no code with the processors. Tests hold the two equal, and the demo checks its ledger with it.
"""
