"""Tables and progress on the screen (rich)."""
