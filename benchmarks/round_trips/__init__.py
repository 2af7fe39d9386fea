"""What the real annotation tools make of the tasks that imbtool writes, and imbtool of their exports."""
