"""The steps of a project, a function each."""
