"""The YAML weight profile: its schema, the label hierarchy, reading and writing it."""
