"""Examples that run: public networks rewritten, and the gate in CI."""
