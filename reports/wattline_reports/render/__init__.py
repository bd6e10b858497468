"""One module per form a review can be handed over in."""
