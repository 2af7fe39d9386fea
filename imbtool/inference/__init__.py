"""A checkpoint applied: to a labelled table, to a table, to a folder of tables."""
