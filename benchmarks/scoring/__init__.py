"""Scoring: files of millions of rows, and a stream on NATS."""
