"""What features cost, against Feast."""
