"""Features against Feast: the point-in-time join, materializing, and online reads."""
