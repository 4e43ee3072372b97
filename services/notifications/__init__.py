"""Notifications tells a customer each thing once, in the words of the promise. It must never know which carrier or service brings an order."""
