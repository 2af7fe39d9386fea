"""What in the data will sink a training: one module a theme, one catalogue."""
