"""What `make lock` runs."""
