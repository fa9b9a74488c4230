"""Run every benchmark and print its figures."""

from .starting import main

main()
