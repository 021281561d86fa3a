"""`zonepulse bench panels`: how long the panels of the dashboards take on a year of a large zone."""
