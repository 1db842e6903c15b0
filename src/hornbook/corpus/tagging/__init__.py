"""What is told of a text, once: language, statistics, spam, toxicity, surprise, judgements; thresholds over it."""
