"""The store: rows on their way into ClickHouse, and its migrations."""
