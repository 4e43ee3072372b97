"""Loyalty decides who is surprised with an overnight delivery, within the rules and the day's budget. It must never tell a customer so.

The first rules, until somebody changes them (`PUT /v1/upgrade-rules`): a customer is silver from 3 completed orders and gold from 10, and both are
upgraded; 250.00 GBP a day; 30 days between two surprises for one customer; 10 % of customers are held out, to tell what a surprise is worth.
"""
