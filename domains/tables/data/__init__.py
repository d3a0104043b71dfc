"""data of the tables domain."""
