"""Retrieval: finding vectors, making them, and answering questions with them."""
