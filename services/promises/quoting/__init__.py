"""Which delivery date can be kept, as a sum whose terms are shown; answered from this service's own tables."""
