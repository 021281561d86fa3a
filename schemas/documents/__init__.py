"""The contracts as documents: JSON Schemas and the AsyncAPI file, made from the same declarations."""
