"""What the Makefile of the template runs, apart from tests and documentation."""
