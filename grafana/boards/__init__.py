"""Builders of the Grafana dashboards. `grafana/build.py` writes what they make."""
