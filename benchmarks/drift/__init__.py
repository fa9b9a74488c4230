"""What comparing two tables costs, against those who do the same."""
