"""What tests of every service use: databases of their own, topics of their own, ids in a row, waiting with a deadline."""
