"""What people and programs send by mistake or on purpose, row by row, on the real application of every service."""
