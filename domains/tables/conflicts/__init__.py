"""One value for each attribute of a thing, where its rows disagree."""
