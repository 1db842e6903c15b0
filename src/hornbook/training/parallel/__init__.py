"""Training in several processes: who they are, how a model lies over them, its checkpoints in shards."""
