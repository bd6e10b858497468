"""Challenges: contests with secret items that nobody can bend and anybody can check."""
