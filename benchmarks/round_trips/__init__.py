"""Whether answers survive the way through real annotation tools and back."""
