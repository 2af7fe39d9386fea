"""A trained model: its folder, read and written, and what decides by it."""
