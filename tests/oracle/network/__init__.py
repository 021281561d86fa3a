"""The nodal basis."""
