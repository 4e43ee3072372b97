"""How Kept is run: on one machine (`deploy.local`), in containers, in a cluster."""
