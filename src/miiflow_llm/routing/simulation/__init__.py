"""Calls by the hundred thousand over a world of targets and faults, in virtual time: what a policy is worth."""
