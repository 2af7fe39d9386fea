"""What several benchmarks use: tasks, contenders, fine-tunes, tables and charts."""
