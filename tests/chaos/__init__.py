"""Faults of every kind while clients keep ledgers (chaos.py), and hours of steady load (soak.py); see docs/chaos.md."""
