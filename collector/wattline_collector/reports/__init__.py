"""Reports that pages ask for: made beside the collector, by whatever distribution offers them."""
