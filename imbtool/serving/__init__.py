"""Models in production: served over HTTP, with the decisions of `imbtool predict`."""
