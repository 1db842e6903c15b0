"""How pages lie on disk: WARC records, the table of a crawl, the frontier, one canonical form of a URL."""
