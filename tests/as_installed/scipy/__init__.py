"""Stands before scipy in the path of tests with servers: an installation has none, and numba imports it into every worker where it is."""

raise ImportError("scipy is not part of an installation")
