"""Copies of documents: whole, near, paragraph by paragraph, of benchmarks and of earlier crawls."""
