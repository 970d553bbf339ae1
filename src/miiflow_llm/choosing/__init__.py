"""Choose among targets: an order and moves, by a table of their health. No await, no clock, no chance."""
