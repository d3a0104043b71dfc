"""align of the tables domain."""
