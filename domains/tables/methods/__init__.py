"""Methods of the tables domain."""
