"""Recipe, stage, artifact, record, plan, run, launch, provenance. No machine learning here: it imports `core` alone."""
