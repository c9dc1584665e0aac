"""What BentoML adds to the contract; tests/integration/test_contract.py has the rest."""
