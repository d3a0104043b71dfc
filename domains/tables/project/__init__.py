"""project of the tables domain."""
