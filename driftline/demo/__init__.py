"""`driftline demo`: runs the whole system on this machine for a few minutes, and summarizes what it learned."""
