"""Model packages on disk: what they are called, what they hold, how they are published."""
