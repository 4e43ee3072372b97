"""Labels: bought once per parcel from its carrier, outside every transaction, and voided before the manifest closes."""
