"""One job on the terminal: layout only, nothing is computed here."""
