"""matching of the tables domain."""
