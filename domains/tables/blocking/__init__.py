"""blocking of the tables domain."""
