"""Who may sign in to the embedded stack, and the tokens they get. Elsewhere an OpenID provider does this."""
