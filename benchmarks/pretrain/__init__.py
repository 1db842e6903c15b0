"""Models and pretraining against their peers."""
