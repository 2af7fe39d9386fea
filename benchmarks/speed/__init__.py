"""How fast imbtool is, how much memory it takes, and whether it survives being killed."""
