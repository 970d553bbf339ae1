"""Choosing among targets: a table of their health in, an order and moves out. No await, no clock, no chance."""
