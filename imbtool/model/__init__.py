"""An encoder with its head, the loss, and the checkpoint folder."""
