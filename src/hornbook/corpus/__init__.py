"""From text as it is found to text worth reading: fetch, WARC, extract, tag, filter, deduplicate, mask. No torch."""
