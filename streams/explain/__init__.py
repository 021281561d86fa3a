"""From a company's kilogram back to the readings."""
