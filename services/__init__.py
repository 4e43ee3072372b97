"""The services of Kept. They never import each other and never read each other's tables; all they share is `services.kit`."""
