"""Tests of the blocking of tables."""
