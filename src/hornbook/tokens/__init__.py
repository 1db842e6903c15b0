"""Text to ids and ids to batches: tokenizer, chat template, shards on disk, packing, the data loader. No torch."""
