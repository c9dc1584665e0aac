"""What `make bench` and `make bench-serve` run: against generated projects."""
