"""Proof that every combination of answers gives a sound project, by factoring.

The text of a rendered file depends only on the answers that its template reads, and
whether a path exists only on the answers that own it. So each part of each file is
rendered once for every assignment of *its* questions, each distinct text is checked
once with the real tool for its kind, and each reference from one file to another is
checked over the joint assignments of its two ends.

========== ==============================================================
answers    the questions, their values, and the variables behind them
pieces     a template cut into pieces of whole lines
model      what cookiecutter and the hooks make of given answers
kinds      which tool checks which file
texts      the distinct texts of a file, over its questions
hygiene    blank lines, trailing spaces, left-over Jinja
quoting    each answer in YAML in quotes
parsers    what a Python library can read and check
linters    the command-line tools
facts      what holds under some answers and not under others
references what files offer to and need from each other
pins       requirements against constraints
words      a declined choice leaves no word behind
covering   a pairwise covering array, to be baked by real cookiecutter
check      all of it, with its figures
========== ==============================================================
"""
