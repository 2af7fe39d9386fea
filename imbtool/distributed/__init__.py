"""Several processes: which one this is, starting them, what they tell each other, signals."""
