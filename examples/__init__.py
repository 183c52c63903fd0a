"""Examples that run: public networks and what rewriting gains them, and the gate in CI."""
