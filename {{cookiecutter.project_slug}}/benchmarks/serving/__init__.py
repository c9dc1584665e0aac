"""How fast predictions are answered, beside other ways of answering them.

``python -m scripts.bench_serve`` runs it, and ``services.py`` lists who takes part.
"""
