"""review of the tables domain."""
