"""Views of results: console tables, plots and a page. They draw documents and never compute."""
