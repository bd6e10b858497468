"""One module per form a report can be handed over in."""
