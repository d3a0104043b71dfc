"""Methods of the vision domain, one file per paper."""
