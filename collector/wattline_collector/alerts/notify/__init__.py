"""Ways to tell people of alerts, each with a queue and a thread of its own."""
