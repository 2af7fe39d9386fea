"""Pages (jinja2)."""
