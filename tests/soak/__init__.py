"""Many clients under random faults, and the audit of what they were told."""
