"""A small model that learns from a large one: from labelled and from unlabelled texts."""
