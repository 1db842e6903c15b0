"""Pages that need no fetching: folders, WARC and WET files, tables, data sets."""
