"""The board: the zone in a browser, with no Grafana; pages rendered here, moved by one stream of events a browser."""
