"""What carriers say of parcels: verified, heard once, never moved back."""
