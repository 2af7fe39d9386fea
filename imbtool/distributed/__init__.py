"""Several processes: rank and number, starting them, collective operations, signals."""
