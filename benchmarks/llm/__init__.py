"""Retrieval, which finds vectors, makes them, and answers questions with them; and what the gateway costs."""
