"""Tests of the matching of tables."""
