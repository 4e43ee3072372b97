"""Carrier services: when they leave, where they go, how long they take, what a label costs."""
