"""The test suite mirrors the packages; it is a package itself so that spawned processes can import its workers."""
