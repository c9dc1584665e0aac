"""Figures of the template, each beside a floor measured in the same run."""
