"""GGUF, the file llama.cpp reads: its header checked before anything is believed, its tensors read one by one, and the
same written."""
