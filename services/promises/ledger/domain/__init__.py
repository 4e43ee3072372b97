"""What is promised, what becomes of it, and who may say so. Pure: facts in, facts out."""
