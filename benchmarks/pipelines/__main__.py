"""Both parts, one after the other."""

from . import engine, peers

engine.main()
peers.main()
