"""How good the models are, beside other tools and other ways to search."""
