"""Drivers behind the storage contracts; chosen by URL in `storage.open`."""
