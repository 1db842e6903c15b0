"""Hornbook teaches a language model from your own pages."""
