"""Readings kept beyond their topic's retention: Parquet that anybody reads, and that replay reads as the topic itself."""
