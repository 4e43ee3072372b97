"""Which delivery date can be kept, what was promised in which words, and what became of it. Never asks another service; hears and says events."""
