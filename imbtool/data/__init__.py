"""Tables in, texts and targets out: splits, duplicates, imbalance, weights."""
