"""Files of each table format become columns of cells, read as text."""
