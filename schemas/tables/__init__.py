"""The result tables: columns, what each means, and their DDL."""
