"""`driftline demo`: the whole system on this machine, fed for a few minutes, and a summary of what it learned."""
