"""A polite crawl: robots, delays, sitemaps, limits, a guard against addresses of the inside."""
