"""A carrier of its own, small but real: it sells labels once per reference, keeps its books on disk, takes manifests, drives, and says with signed
webhooks what happened to each parcel. It knows nothing of Kept but what a customer's system tells a carrier.
"""
