"""Stock and floor on a real PostgreSQL."""
