"""What stands on disk: written whole, locked, read and checked."""
