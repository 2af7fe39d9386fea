"""What a stream of new texts holds, and whether a model still does on it what it did."""
