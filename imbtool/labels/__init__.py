"""Label cells become labels: how they are written, in which columns, what must be asked."""
