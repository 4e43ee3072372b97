"""Stock and floor without servers."""
