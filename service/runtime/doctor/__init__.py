"""What works on this machine, what does not and why, and the line that mends it."""
