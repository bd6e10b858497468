"""Pages: a layout, pure functions, and `register`, which connects them."""
