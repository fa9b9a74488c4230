"""What looking at data costs, against those who do the same."""
