"""Monthly reports of a company or the zone: from the store's rows to a page, a PDF and tables."""
