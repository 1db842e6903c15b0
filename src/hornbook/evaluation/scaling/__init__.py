"""Scaling laws: pure functions over trained runs, each a row of parameters, tokens, loss and FLOPs."""
