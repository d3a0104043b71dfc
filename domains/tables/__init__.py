"""Tables: from several messy tables to one clean table, with no labels."""
