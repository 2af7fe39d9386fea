"""An encoder with its head, and the loss."""
