"""How models tell thoughts, text and calls apart in an answer."""
